package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// jetStream is a queue in NATS JetStream.
type jetStream struct {
	conn   *nats.Conn
	stream jetstream.JetStream
}

const subject = "stripe.events"

// openNATS connects to a broker. The connection comes back by itself when the broker does. Meanwhile it keeps no events, so that a
// publish fails at once and Stripe keeps them.
func openNATS(url string) (*jetStream, error) {
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(250*time.Millisecond),
		nats.ReconnectBufSize(-1))
	if err != nil {
		return nil, err
	}
	stream, err := jetstream.New(conn)
	return &jetStream{conn, stream}, err
}

func (q *jetStream) publish(ctx context.Context, event []byte) error {
	_, err := q.stream.Publish(ctx, subject, event)
	return err
}

// setUp makes the stream and its consumer if they are not there. A broker with several servers takes Replicas: 3.
func (q *jetStream) setUp(ctx context.Context) (jetstream.Consumer, error) {
	_, err := q.stream.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: "STRIPE", Subjects: []string{subject}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return nil, err
	}
	return q.stream.CreateOrUpdateConsumer(ctx, "STRIPE", jetstream.ConsumerConfig{
		Durable: "fulfil", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * time.Minute,
	})
}

func (q *jetStream) work(ctx context.Context, dispatch func(ctx context.Context, event []byte) error) error {
	for ctx.Err() == nil {
		consumer, err := q.setUp(ctx)
		if err != nil {
			slog.Warn("the broker is not there", "error", err)
			wait(ctx, time.Second)
			continue
		}
		for ctx.Err() == nil {
			message, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
			if errors.Is(err, nats.ErrTimeout) {
				continue
			}
			if err != nil {
				wait(ctx, time.Second)
				break
			}
			switch err := dispatch(ctx, message.Data()); {
			case err == nil:
				logged(message.Ack()) // if this is lost, the event comes again
			case hopeless(err):
				slog.Error("event is dropped", "error", err)
				logged(message.Term())
			default:
				slog.Warn("event is tried again", "error", err)
				logged(message.NakWithDelay(5 * time.Second))
			}
		}
	}
	return ctx.Err()
}

func (q *jetStream) close() { q.conn.Close() }

// wait waits for d or the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func logged(err error) {
	if err != nil {
		slog.Warn("the broker does not hear what became of an event; the event comes again", "error", err)
	}
}
