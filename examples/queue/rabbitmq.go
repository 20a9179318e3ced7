package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// rabbit is the same queue in RabbitMQ.
type rabbit struct {
	url     string
	mu      sync.Mutex
	conn    *amqp.Connection // for publishing; nil: there is none yet
	channel *amqp.Channel
}

// open opens a channel with the queue, which keeps its events on disk.
func (q *rabbit) open() (*amqp.Connection, *amqp.Channel, error) {
	conn, err := amqp.DialConfig(q.url, amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return nil, nil, err
	}
	channel, err := conn.Channel()
	if err == nil {
		_, err = channel.QueueDeclare(subject, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	}
	if err != nil {
		_ = conn.Close()
	}
	return conn, channel, err
}

func (q *rabbit) publish(ctx context.Context, event []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.conn == nil || q.channel.IsClosed() {
		if q.conn != nil {
			_ = q.conn.Close()
			q.conn = nil
		}
		conn, channel, err := q.open()
		if err != nil {
			return err
		}
		q.conn, q.channel = conn, channel
		if err := channel.Confirm(false); err != nil {
			return err
		}
	}
	confirmed, err := q.channel.PublishWithDeferredConfirmWithContext(ctx, "", subject, true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: event})
	if err == nil {
		_, err = confirmed.WaitContext(ctx)
	}
	if err == nil && !confirmed.Acked() {
		err = amqp.ErrClosed
	}
	return err
}

func (q *rabbit) work(ctx context.Context, dispatch func(ctx context.Context, event []byte) error) error {
	for ; ctx.Err() == nil; wait(ctx, time.Second) {
		conn, channel, err := q.open()
		if err != nil {
			slog.Warn("the broker is not there", "error", err)
			continue
		}
		_ = channel.Qos(8, 0, false)
		events, err := channel.ConsumeWithContext(ctx, subject, "", false, false, false, false, nil)
		logged(err)
		for event := range events {
			err := dispatch(ctx, event.Body)
			switch {
			case err == nil || hopeless(err):
				logged(event.Ack(false))
			default:
				slog.Warn("event is tried again", "error", err)
				wait(ctx, time.Second)
				logged(event.Nack(false, true))
			}
		}
		_ = conn.Close()
	}
	return ctx.Err()
}

func (q *rabbit) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.conn != nil {
		_ = q.conn.Close()
	}
}
