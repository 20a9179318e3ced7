package clustertest

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// books are what Stripe and the database say of a shop at rest.
type books struct {
	paid      map[string]int // sessions that were paid, by order
	open      int            // sessions that can still be paid
	shipments map[string]int // of each order
	orders    map[string]*store.Order
	stock     []reservation.Stock
}

// read reads the books in one process.
func (s *shop) read(p *process) (b books) {
	s.t.Helper()
	ctx := s.t.Context()
	b = books{paid: map[string]int{}, shipments: map[string]int{}, orders: map[string]*store.Order{}}
	for session, err := range s.srv.Client().V1CheckoutSessions.List(ctx, &stripe.CheckoutSessionListParams{}) {
		require.NoError(s.t, err)
		if session.PaymentStatus == stripe.CheckoutSessionPaymentStatusPaid {
			b.paid[session.ClientReferenceID]++
		}
		if session.Status == stripe.CheckoutSessionStatusOpen {
			b.open++
		}
	}
	rows, err := p.db.QueryContext(ctx, `SELECT order_id FROM shipments`)
	require.NoError(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var id string
		require.NoError(s.t, rows.Scan(&id))
		b.shipments[id]++
	}
	require.NoError(s.t, rows.Err())
	for after := (store.Position{}); ; {
		orders, err := p.st.List(ctx, store.Query{After: after, Limit: store.MaxLimit})
		require.NoError(s.t, err)
		for _, o := range orders {
			b.orders[o.ID] = o
			after = store.Position{CreatedAt: o.CreatedAt, ID: o.ID}
		}
		if len(orders) == 0 {
			break
		}
	}
	require.NoError(s.t, p.st.InTx(ctx, func(tx *sql.Tx) (err error) {
		b.stock, err = p.stock.Stock(ctx, tx)
		return err
	}))
	return b
}

// wrong says what is wrong in the books: a payment that was not fulfilled exactly once, a fulfilment without a payment, a session
// that can still be paid, an order with something to do, stock that is held or does not add up.
func (s *shop) wrong(b books) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	sold := map[string]int64{}
	for _, id := range slices.Sorted(maps.Keys(b.paid)) {
		o := b.orders[id]
		switch {
		case o == nil:
			say("%s is paid and is no order", id)
			continue
		case b.paid[id] != 1 || b.shipments[id] != 1:
			say("%s is paid %d times and fulfilled %d times: %s %s", id, b.paid[id], b.shipments[id], o.Status(), o.StuckReason())
		}
		for _, l := range o.PaidAttempt().Lines {
			sold[l.SKU] += l.Quantity
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.shipments)) {
		if b.paid[id] == 0 {
			say("%s is fulfilled and not paid", id)
		}
	}
	if b.open > 0 {
		say("%d sessions can still be paid", b.open)
	}
	for _, id := range slices.Sorted(maps.Keys(b.orders)) {
		if o := b.orders[id]; !o.DueAt.IsZero() {
			say("%s is %s and still due", id, o.Status())
		}
	}
	for _, st := range b.stock {
		if st.OnHand < 0 || st.Held != 0 || st.Sold != sold[st.SKU] || st.OnHand+st.Sold != s.stock[st.SKU] {
			say("stock %+v: of %d, %d were in paid orders", st, s.stock[st.SKU], sold[st.SKU])
		}
	}
	return wrong
}

// requireRight checks the books in every process.
func (s *shop) requireRight() (b books) {
	s.t.Helper()
	for i, p := range s.processes {
		b = s.read(p)
		wrong := s.wrong(b)
		require.Empty(s.t, wrong, "process %d: %s\n%s", i, strings.Join(wrong, "\n"), s.log.end())
	}
	require.NotEmpty(s.t, b.paid, "no order was paid, so the scene shows nothing")
	return b
}
