package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// Outcome is the end of a story. It must not depend on the sequence of the steps.
type Outcome struct {
	Status   checkout.DisplayStatus
	Facts    []Facts
	Refunds  []store.Refund  // sorted by ID
	Disputes []store.Dispute // sorted by ID
	// Subscriptions and Invoices are without the library's own bookkeeping.
	Subscriptions []store.Subscription
	Invoices      []store.Invoice
	Parked        string
	Stock         []reservation.Stock
	Shipments     int
	Email         string
	Total         int64
}

// Facts are the facts of an attempt.
type Facts struct {
	Completed, Paid, Failed, Expired bool
	Session, PaymentIntent           string
}

// Reserver is a Reserver whose stock can be set and read.
type Reserver[Tx any] interface {
	reservation.Reserver[Tx]
	Set(ctx context.Context, tx Tx, sku string, onHand int64) error
	Stock(ctx context.Context, tx Tx, skus ...string) ([]reservation.Stock, error)
}

// OutcomeOf reads the outcome of an order, except Shipments, which the caller counts.
func OutcomeOf[Tx any](ctx context.Context, st store.Store[Tx], stock Reserver[Tx], id string) (out Outcome, err error) {
	o, err := st.Find(ctx, id)
	if err != nil {
		return out, err
	}
	out = Outcome{
		Status: checkout.Display(o), Parked: o.Parked, Email: o.Customer.Email, Total: o.Amounts.Total,
		Refunds:  slices.SortedFunc(slices.Values(o.Refunds), func(a, b store.Refund) int { return strings.Compare(a.ID, b.ID) }),
		Disputes: slices.SortedFunc(slices.Values(o.Disputes), func(a, b store.Dispute) int { return strings.Compare(a.ID, b.ID) }),
	}
	for _, a := range o.Attempts {
		out.Facts = append(out.Facts, Facts{a.Completed, a.Paid, a.Failed, a.Expired, a.SessionID, a.PaymentIntent})
	}
	for _, s := range o.Subscriptions {
		s.AskedAt, s.AskFailedAt, s.Answers, s.TrialTold = time.Time{}, time.Time{}, 0, time.Time{}
		out.Subscriptions = append(out.Subscriptions, s)
	}
	out.Invoices = append(out.Invoices, o.Invoices...)
	return out, st.InTx(ctx, func(tx Tx) (err error) {
		out.Stock, err = stock.Stock(ctx, tx, "tee", "last")
		return err
	})
}

// Check compares an outcome with the outcome of the same story in another sequence or on another store.
func (st *Story) Check(got, want Outcome) error {
	if st.HandedOverOrNot && got.Shipments <= 1 {
		got.Shipments = want.Shipments
	}
	if got.Status != st.Ends {
		return fmt.Errorf("order ends %s, not %s", got.Status, st.Ends)
	}
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		return fmt.Errorf("order ends as\n%s\nnot as\n%s", g, w)
	}
	return nil
}

// CheckTold checks that no change was delivered twice, and that every kind of change in Told was delivered.
func (st *Story) CheckTold(changes []checkout.Change) error {
	told, kinds := map[string]bool{}, map[checkout.ChangeKind]bool{}
	for _, c := range changes {
		what := fmt.Sprint(c.Kind, " ", c.Attempt, " ", c.Detail)
		if told[what] {
			return fmt.Errorf("delivered twice: %s", what)
		}
		told[what], kinds[c.Kind] = true, true
	}
	for _, kind := range st.Told {
		if !kinds[kind] {
			return fmt.Errorf("%s was not delivered, only %v", kind, told)
		}
	}
	return nil
}

// Rewind turns an empty store into the shop that began these orders and has heard nothing of them yet: it sets the shop's ID
// and stock, and inserts the orders with their holds.
func Rewind[Tx any](ctx context.Context, st store.Store[Tx], stock Reserver[Tx], shop string, orders ...*store.Order) error {
	if _, err := st.ShopID(ctx, shop); err != nil {
		return err
	}
	if err := refill(ctx, st, stock); err != nil {
		return err
	}
	return st.InTx(ctx, func(tx Tx) error {
		for _, o := range orders {
			for _, a := range o.Attempts {
				if a.Hold.State != store.Held {
					continue
				}
				hold := reservation.Hold{ID: a.Hold.ID}
				for _, l := range a.Lines {
					hold.Lines = append(hold.Lines, reservation.Line{SKU: l.SKU, Quantity: l.Quantity})
				}
				answers, err := stock.Hold(ctx, tx, hold)
				if err := errors.Join(append(answers, err)...); err != nil {
					return fmt.Errorf("holding again: %w", err)
				}
			}
		}
		_, err := st.Insert(ctx, tx, orders...)
		return err
	})
}

func refill[Tx any](ctx context.Context, st store.Store[Tx], stock Reserver[Tx]) error {
	return st.InTx(ctx, func(tx Tx) error {
		for sku, onHand := range Stock {
			if err := stock.Set(ctx, tx, sku, onHand); err != nil {
				return err
			}
		}
		return nil
	})
}
