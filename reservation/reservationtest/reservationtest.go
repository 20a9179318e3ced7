// Package reservationtest is the contract of [reservation.Reserver] as a test suite. A backend passes it with one call:
//
//	func TestReserver(t *testing.T) {
//		reservationtest.Run(t, func(t *testing.T) reservationtest.Subject[*sql.Tx] {
//			st, r := open(t), sqlreserver.New(sqlreserver.Postgres)
//			return reservationtest.Subject[*sql.Tx]{Reserver: r, Stock: r, InTx: st.InTx}
//		})
//	}
//
// Each check gets a new, empty subject. The checks never sleep and read no clock. They tell from the sequence of events whether a
// transaction has waited. No check waits for a second transaction while it has one open.
package reservationtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/reservation"
)

// Subject is the backend under test.
type Subject[Tx any] struct {
	// Reserver is the backend. If it is a [reservation.Previewer] that has something to read from, the suite tests that, too.
	// Preview then needs a connection while a transaction is open. If it is a [reservation.Forgetter], the suite tests that, too.
	Reserver reservation.Reserver[Tx]
	// Stock sets and reads the Reserver's stock. If it is an [Admin] or a [NewStock], the suite tests that, too.
	Stock Stock[Tx]
	// InTx runs fn in a transaction. It commits when fn returns nil, rolls back when fn returns an error, and runs fn again
	// after a deadlock. The InTx of a Store is such a function.
	InTx func(ctx context.Context, fn func(tx Tx) error) error
}

// Stock sets and reads the stock of a Reserver.
type Stock[Tx any] interface {
	// Set records the stock of a SKU: the units on the shelf, with held units and without sold units.
	Set(ctx context.Context, tx Tx, sku string, onHand int64) error
	// Stock returns the stock of each SKU in the sequence given. Without any SKU it returns the stock of all known SKUs, sorted
	// by SKU.
	Stock(ctx context.Context, tx Tx, skus ...string) ([]reservation.Stock, error)
}

// Admin is a Stock with the other methods that all backends of this module have.
type Admin[Tx any] interface {
	Stock[Tx]
	// Adjust adds delta to the stock of a SKU.
	Adjust(ctx context.Context, tx Tx, sku string, delta int64) error
	// Holds returns at most limit of the holds that are neither sold nor released, sorted by ID, beginning behind the ID after.
	Holds(ctx context.Context, tx Tx, after string, limit int) ([]reservation.Hold, error)
}

// NewStock sets the stock of SKUs that have none yet.
type NewStock[Tx any] interface {
	// SetNew sets the stock of a SKU whose stock was never set. For any other SKU it changes nothing.
	SetNew(ctx context.Context, tx Tx, sku string, onHand int64) error
}

// Run runs the suite as subtests of t. Open must return a new subject without stock for each of them.
func Run[Tx any](t *testing.T, open func(t *testing.T) Subject[Tx]) {
	for _, c := range checks[Tx]() {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			if _, ok := s.Stock.(Admin[Tx]); c.admin && !ok {
				t.Skip("Stock is no Admin")
			}
			if _, ok := s.Stock.(NewStock[Tx]); c.newStock && !ok {
				t.Skip("Stock is no NewStock")
			}
			if c.preview && !previews(s.Reserver) {
				t.Skip("Reserver has no Preview")
			}
			if _, ok := s.Reserver.(reservation.Forgetter[Tx]); c.forget && !ok {
				t.Skip("Reserver is no Forgetter")
			}
			c.run(t, s)
		})
	}
}

// check is one promise of the contract.
type check[Tx any] struct {
	name     string
	fn       func(k *kit[Tx])
	admin    bool // needs an Admin
	newStock bool // needs a NewStock
	preview  bool // needs a Previewer
	forget   bool // needs a Forgetter
}

// previews reports whether a Reserver can preview holds.
func previews(reserver any) bool {
	p, ok := reserver.(reservation.Previewer)
	if !ok {
		return false
	}
	_, err := p.Preview(context.Background())
	return !errors.Is(err, errors.ErrUnsupported)
}

func (c check[Tx]) run(t suite.Reporter, s Subject[Tx]) {
	ctx, cancel := suite.Context()
	defer cancel()
	c.fn(&kit[Tx]{Reporter: t, Subject: s, ctx: ctx})
}

func checks[Tx any]() []check[Tx] {
	return slices.Concat(holdChecks[Tx](), endChecks[Tx](), txChecks[Tx](), raceChecks[Tx](), adminChecks[Tx](), previewChecks[Tx](), forgetChecks[Tx]())
}

// kit is the subject and the helpers of a check.
type kit[Tx any] struct {
	suite.Reporter
	Subject[Tx]
	ctx context.Context
}

// hold makes a hold. Lines alternates SKUs and quantities, which are int or int64.
func hold(id string, lines ...any) reservation.Hold {
	h := reservation.Hold{ID: id}
	for i := 0; i < len(lines); i += 2 {
		h.Lines = append(h.Lines, reservation.Line{SKU: lines[i].(string), Quantity: reflect.ValueOf(lines[i+1]).Int()})
	}
	return h
}

// inTx runs fn in a transaction that must commit.
func (k *kit[Tx]) inTx(fn func(tx Tx) error) {
	k.Helper()
	if err := k.InTx(k.ctx, fn); err != nil {
		k.Fatalf("a transaction that must commit failed: %v", err)
	}
}

// set sets stock. Its arguments alternate SKUs and quantities.
func (k *kit[Tx]) set(stock ...any) {
	k.Helper()
	k.inTx(func(tx Tx) error {
		for _, l := range hold("", stock...).Lines {
			if err := k.Stock.Set(k.ctx, tx, l.SKU, l.Quantity); err != nil {
				return fmt.Errorf("set %d of %q: %w", l.Quantity, l.SKU, err)
			}
		}
		return nil
	})
}

// stock fails unless the stock of a SKU has these numbers.
func (k *kit[Tx]) stock(why, sku string, onHand, held, sold int64) {
	k.Helper()
	k.inTx(func(tx Tx) error { return k.stockIn(tx, why, sku, onHand, held, sold) })
}

func (k *kit[Tx]) stockIn(tx Tx, why, sku string, onHand, held, sold int64) error {
	got, err := k.Stock.Stock(k.ctx, tx, sku)
	if want := (reservation.Stock{SKU: sku, OnHand: onHand, Held: held, Sold: sold}); err == nil && (len(got) != 1 || got[0] != want) {
		return fmt.Errorf("%s: the stock must be %+v; it is %+v", why, want, got)
	}
	return err
}

// call is a call of one of the Reserver's methods. Its answers are compared one by one.
type call[Tx any] func(tx Tx) ([]error, error)

func (k *kit[Tx]) hold(holds ...reservation.Hold) call[Tx] {
	return func(tx Tx) ([]error, error) { return k.Reserver.Hold(k.ctx, tx, holds...) }
}

func (k *kit[Tx]) commit(ids ...string) call[Tx] {
	return func(tx Tx) ([]error, error) { return k.Reserver.Commit(k.ctx, tx, ids...) }
}

func (k *kit[Tx]) release(ids ...string) call[Tx] {
	return func(tx Tx) ([]error, error) { return k.Reserver.Release(k.ctx, tx, ids...) }
}

// answers runs a call in a transaction of its own and fails unless each answer is as wanted: nil, an error that matches, or an
// equal *reservation.ShortageError.
func (k *kit[Tx]) answers(why string, c call[Tx], want ...error) {
	k.Helper()
	k.inTx(func(tx Tx) error { return answersIn(tx, why, c, want...) })
}

func answersIn[Tx any](tx Tx, why string, c call[Tx], want ...error) error {
	got, err := c(tx)
	if err != nil {
		return fmt.Errorf("%s: %w", why, err)
	}
	if len(got) != len(want) {
		return fmt.Errorf("%s: there must be one answer for each, %d; there are %d", why, len(want), len(got))
	}
	for i := range want {
		var short, wantShort *reservation.ShortageError
		ok := errors.Is(got[i], want[i])
		if errors.As(want[i], &wantShort) {
			ok = errors.As(got[i], &short) && reflect.DeepEqual(short, wantShort)
		}
		if !ok {
			return fmt.Errorf("%s: answer %d must be <%v>; it is <%v>", why, i+1, want[i], got[i])
		}
	}
	return nil
}

// short makes a *reservation.ShortageError. Lines alternates SKU, wanted and available.
func short(id string, lines ...any) error {
	e := &reservation.ShortageError{Hold: id}
	for i := 0; i < len(lines); i += 3 {
		wanted, available := reflect.ValueOf(lines[i+1]).Int(), reflect.ValueOf(lines[i+2]).Int()
		e.Lines = append(e.Lines, reservation.Shortage{SKU: lines[i].(string), Wanted: wanted, Available: available})
	}
	return e
}

// race runs fn n times at once and fails for the first error.
func (k *kit[Tx]) race(n int, fn func(i int) error) {
	k.Helper()
	suite.Race(k, n, fn)
}

// long returns an ID of the maximum length that ends with last.
func long(last string) string {
	return strings.Repeat("x", reservation.MaxIDBytes-len(last)) + last
}
