package main

import (
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRabbitMQSurvives is [TestQueueSurvivesItsBroker] with the RabbitMQ at FULFIL_TEST_RABBITMQ, to which the connections are cut. It
// empties the queue first.
func TestRabbitMQSurvives(t *testing.T) {
	at := os.Getenv("FULFIL_TEST_RABBITMQ")
	if at == "" {
		t.Skip("set FULFIL_TEST_RABBITMQ to the URL of a RabbitMQ, such as amqp://guest:guest@127.0.0.1:5672/")
	}
	u, err := url.Parse(at)
	require.NoError(t, err)
	broker := u.Host
	r := newRoad(t, broker)
	u.Host = r.addr()
	q := &rabbit{url: u.String()}
	t.Cleanup(q.close)
	conn, channel, err := q.open()
	require.NoError(t, err)
	_, err = channel.QueuePurge(subject, false)
	require.NoError(t, err)
	_ = conn.Close()
	survive(t, q, r.cut, func() { r.mend(broker) })
}
