package dbtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/pgxreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/pgxstore"
	"github.com/gofulfil/fulfil/webhook"
)

// A shop on pgx: orders are begun, paid and fulfilled, also if Fulfil fails at first. What Fulfil and a handler write through pgx.Tx
// is there once.
func TestPgxFlow(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), openPgx(t, 4, "")
	_, err := pool.Exec(ctx, "CREATE TABLE shipments (order_id text NOT NULL)")
	require.NoError(t, err)
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	st, stock, runs := pgxstore.New(pool), pgxreserver.New(pool), 0
	flow, err := checkout.New(checkout.Config[pgx.Tx]{
		Stripe: srv.Client(), Store: st, Reserver: stock, Clock: srv.Now,
		Fulfil: func(ctx context.Context, tx pgx.Tx, o *store.Order) error {
			runs++
			if _, err := tx.Exec(ctx, "INSERT INTO shipments (order_id) VALUES ($1)", o.ID); err != nil {
				return err
			}
			if runs == 1 {
				return errors.New("the printer is out of paper")
			}
			return nil
		},
	})
	require.NoError(t, err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{srv.WebhookSecret()}, Clock: srv.Now})
	require.NoError(t, err)
	flow.Handle(hook)
	webhook.On(hook, webhook.CheckoutSessionCompleted, webhook.Once("mail", st,
		func(ctx context.Context, tx pgx.Tx, e *webhook.Event[stripe.CheckoutSession]) error {
			_, err := tx.Exec(ctx, "INSERT INTO shipments (order_id) VALUES ($1)", "mail of "+e.Object.ClientReferenceID)
			return err
		}))
	srv.Deliver(hook)
	require.NoError(t, st.InTx(ctx, func(tx pgx.Tx) error { return stock.SetNew(ctx, tx, "tee-m", 3) }))

	begin := func(id string, quantity int64) (*checkout.Started, error) {
		return flow.Begin(ctx, checkout.Session{
			OrderID:    id,
			Lines:      []checkout.Line{{SKU: "tee-m", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: quantity}},
			SuccessURL: "https://shop.example/thanks",
			HoldFor:    15 * time.Minute,
		})
	}
	first, err := begin("order-1", 2)
	require.NoError(t, err)
	var short *reservation.ShortageError
	_, err = begin("order-2", 2)
	require.ErrorAs(t, err, &short)
	abandoned, err := begin("order-3", 1)
	require.NoError(t, err)
	require.NotEmpty(t, abandoned.URL)

	require.NoError(t, srv.Pay(first.SessionID, checkouttest.CardOK)) // Fulfil fails, and Stripe sends the event again
	srv.Advance(time.Hour)
	_, err = flow.Sweep(ctx)
	require.NoError(t, err)
	o, err := flow.Order(ctx, "order-1")
	require.NoError(t, err)
	require.Equal(t, checkout.Fulfilled, checkout.Display(o))
	require.Equal(t, 2, runs)
	last, err := begin("order-4", 1)
	require.NoError(t, err, "the stock of order-3 is back")
	require.NoError(t, srv.Pay(last.SessionID, checkouttest.CardOK))

	rows, err := pool.Query(ctx, "SELECT order_id FROM shipments ORDER BY order_id")
	require.NoError(t, err)
	written, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"mail of order-1", "mail of order-4", "order-1", "order-4"}, written)
	require.NoError(t, st.InTx(ctx, func(tx pgx.Tx) error {
		levels, err := stock.Stock(ctx, tx, "tee-m")
		require.Equal(t, []reservation.Stock{{SKU: "tee-m", OnHand: 0, Held: 0, Sold: 3}}, levels)
		return err
	}))
}
