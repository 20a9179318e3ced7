// Package store keeps orders: what each customer is buying, every attempt to get it paid, what Stripe said of it and
// what the merchant has been told.
//
// An [Order] is one aggregate, saved whole. A [Store] keeps orders and nothing more: it holds no policy, and everything
// that decides anything lives above it. [Order.Status] is a pure function of the recorded facts.
//
// The package knows nothing of Stripe's types; storetest holds the contract of Store as a test suite for backends.
package store

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound is returned by [Store.Find] and [Store.FindRef] when there is no such order.
var ErrNotFound = errors.New("store: no such order")

// Store keeps orders, claims and a few named values. Tx is the backend's own transaction, such as *sql.Tx; what is done
// through one Tx, by this Store or by anything else that takes it, commits together or not at all.
//
// All methods are safe for concurrent use. Times are kept in UTC to the microsecond. The orders that a method returns
// belong to the caller: changing one changes nothing until it is saved. IDs are told apart byte by byte. A method whose
// context has ended returns the context's error and changes nothing.
type Store[Tx any] interface {
	// InTx runs fn in a transaction: committed when fn returns nil, rolled back when it returns an error, which InTx
	// returns so that errors.Is and errors.As still match it, and rolled back when it panics. A serialization failure or
	// a deadlock makes it run fn again in a new transaction, so fn must keep its results in variables that it sets anew.
	// The Tx is of no use after fn has returned.
	InTx(ctx context.Context, fn func(tx Tx) error) error

	// Insert adds orders that are not there yet and answers for each, in the order given, whether it was added. An ID
	// that is taken, also by an earlier order of the same call, answers false and changes nothing. Against a concurrent
	// insert of the same ID it waits for that transaction to end. The orders' references are written with them. An order
	// without an ID is an error.
	Insert(ctx context.Context, tx Tx, orders ...*Order) (inserted []bool, err error)

	// Lock returns the named orders as last committed, or as this transaction has saved them, and keeps every other
	// transaction from locking them until this one ends. The answer is in the order of ids; an unknown ID answers nil,
	// a repeated one a copy each time. Locks are taken in the order of the sorted IDs whatever the order given.
	Lock(ctx context.Context, tx Tx, ids ...string) ([]*Order, error)

	// Save writes orders that this transaction inserted or has locked, together with their references: every one of
	// [Order.Refs] finds this order from then on. A reference that belongs to another order already stays with that one.
	// An order that does not exist is an error.
	Save(ctx context.Context, tx Tx, orders ...*Order) error

	// Find returns the order as last committed, or [ErrNotFound]. It never waits for a lock.
	Find(ctx context.Context, id string) (*Order, error)

	// FindRef returns the order that a Stripe ID (cs_, pi_, ch_, sub_) was saved with, as last committed, or
	// [ErrNotFound]. It never waits for a lock.
	FindRef(ctx context.Context, ref string) (*Order, error)

	// List returns committed orders that match q, by time of creation and then by ID, or in reverse.
	List(ctx context.Context, q Query) ([]*Order, error)

	// Claim takes keys that nobody has taken and answers for each, in the order given, whether this call is the first.
	// Within one call the first of a repeated key is the first. A claim lasts once its transaction commits, until Prune
	// frees it; when it rolls back the key is free again. Against a concurrent claim of the same key it waits for that
	// transaction to end. A key has 1 to 500 bytes, any other is an error; keys are told apart byte by byte. Now is kept
	// with those that were free.
	Claim(ctx context.Context, tx Tx, now time.Time, keys ...string) (first []bool, err error)

	// Prune frees at most limit keys that were claimed before the given time, the longest claimed first, and returns how
	// many it freed. It does not wait for other transactions: claims that they look at may be left out. Whoever claims a
	// freed key is the first again, so before must be so long ago that nobody claims those keys anymore.
	Prune(ctx context.Context, before time.Time, limit int) (pruned int, err error)

	// Due returns the IDs of at most limit orders whose DueAt is set and not after now, the longest due first, and
	// moves each one's DueAt to now plus lease in the same step, so that of concurrent callers each order is handed to
	// one, and is handed out again when that one does not save it within the lease. It does not wait for orders that are
	// locked: it leaves them out.
	Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error)

	// ShopID returns the ID of this installation. The first call ever keeps fresh as that ID; later calls, by any
	// process, return what was kept. An empty fresh is an error.
	ShopID(ctx context.Context, fresh string) (string, error)

	// Cursor returns the value last set under name, empty if there is none.
	Cursor(ctx context.Context, name string) (string, error)

	// SetCursor keeps value under name.
	SetCursor(ctx context.Context, name, value string) error
}

// Query says which orders [Store.List] returns. The zero Query returns the first 100 of all.
type Query struct {
	// Status, if not empty, keeps the orders in any of these statuses.
	Status []Status
	// Stuck keeps the orders that need a person: see [Order.Stuck].
	Stuck bool
	// CreatedFrom and CreatedTo keep the orders created at or after the one and before the other; zero is no bound.
	CreatedFrom, CreatedTo time.Time
	// Newest has the newest orders come first.
	Newest bool
	// After continues behind the last order of the page before: its CreatedAt and ID.
	After Position
	// Limit is the number of orders at most; 0 stands for 100, and more than 1000 for 1000.
	Limit int
}

// Position is a place in a list of orders; the zero Position is its beginning.
type Position struct {
	CreatedAt time.Time
	ID        string
}

// Limits of [Query.Limit].
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// PageSize is the number of orders that a backend returns for q at most: Limit within its bounds.
func (q Query) PageSize() int {
	if q.Limit <= 0 {
		return DefaultLimit
	}
	return min(q.Limit, MaxLimit)
}
