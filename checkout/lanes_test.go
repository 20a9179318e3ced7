package checkout_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// A change that can't be delivered holds back no goods, and is delivered when that is possible again.
func TestChangeThatFailsHoldsBackNoGoods(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	failing := true
	var told []checkout.ChangeKind
	logger := slog.New(slog.DiscardHandler)
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.Client(), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: logger,
		Fulfil: func(ctx context.Context, tx tx, o *store.Order) error {
			return tx.Set(ctx, "shipment/"+o.ID+"/1", true)
		},
		OnChange: func(_ context.Context, _ tx, c checkout.Change) error {
			if failing {
				return errors.New("mail server down")
			}
			told = append(told, c.Kind)
			return nil
		},
	})
	require.NoError(t, err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: logger})
	require.NoError(t, err)
	flow.Handle(hook)
	s.srv.Deliver(hook)

	started, err := flow.Begin(t.Context(), cartOf("order-1", "last"))
	require.NoError(t, err)
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.BankDebit))
	require.NoError(t, s.srv.Settle(started.SessionID))
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, 1, s.shipments("order-1"))
	require.Positive(t, s.order("order-1").ChangeDelivery.Tries)

	failing = false
	s.srv.Advance(2 * time.Hour)
	_, err = flow.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing}, told)
	require.Equal(t, 1, s.shipments("order-1"))
}
