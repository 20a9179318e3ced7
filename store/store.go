// Package store keeps orders: what each customer is buying, every attempt to get it paid, what Stripe said of each attempt, and
// which callbacks of the merchant's have run.
//
// An [Order] is one aggregate, saved whole. A [Store] keeps orders and decides nothing; the Flow of package checkout decides.
// [Order.Status] is a pure function of the recorded facts.
//
// The package does not use Stripe's types. Package storetest is the contract of Store as a test suite for backends.
package store

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound is returned by [Store.Find] and [Store.FindRef] when there is no such order.
var ErrNotFound = errors.New("store: no such order")

// Failures of a database that say what to do next. A Store's errors match them with [errors.Is] if it knows.
var (
	// ErrInDoubt: the answer to a COMMIT was lost, so the transaction may be committed or not. Look at what is stored, and go on
	// from there.
	ErrInDoubt = errors.New("store: it is unknown whether the transaction was committed")
	// ErrUnavailable: the database could not be reached, or refused to write, for as long as the Store tried. Nothing was
	// committed. Try again later.
	ErrUnavailable = errors.New("store: the database is not available")
)

// Store keeps orders, claims and a few named values. Tx is the backend's own transaction, such as *sql.Tx. Everything that is
// written through one Tx commits together or not at all, by this Store or by other code.
//
// All methods are safe for concurrent use. Times are kept in UTC to the microsecond. The orders that a method returns belong to
// the caller: a change to one has no effect until Save. IDs are compared byte by byte. If its context has ended, a method
// returns the context's error and changes nothing.
type Store[Tx any] interface {
	// InTx runs fn in a transaction. It commits when fn returns nil. It rolls back when fn panics or returns an error. InTx
	// returns that error so that errors.Is and errors.As still match it. After a serialization failure or a deadlock InTx runs
	// fn again in a new transaction, so fn must set its results anew each time. Fn's tx can't be used after fn has returned.
	//
	// A Store over a network returns an error that matches [ErrInDoubt] if it can't tell whether it committed, and one that
	// matches [ErrUnavailable] if the database could not be reached.
	InTx(ctx context.Context, fn func(tx Tx) error) error

	// Insert adds the orders whose IDs are free, with their references. Inserted says for each order, in the sequence given,
	// whether it was added. An ID that is taken, also by an earlier order of the same call, gives false and changes nothing. If
	// a concurrent transaction is inserting the same ID, Insert waits for that transaction to end. An order without an ID is an
	// error.
	Insert(ctx context.Context, tx Tx, orders ...*Order) (inserted []bool, err error)

	// Lock returns the named orders as last committed, or as this transaction has saved them. Until this transaction ends, no
	// other can lock them. The result is in the sequence of ids: an unknown ID gives nil, and a repeated ID gives a copy each
	// time. Lock takes the locks by ascending ID, whatever the sequence of ids.
	Lock(ctx context.Context, tx Tx, ids ...string) ([]*Order, error)

	// Save writes orders that this transaction has inserted or locked, with their references: [Store.FindRef] finds an order by
	// each of its [Order.Refs] from then on. A reference that already belongs to another order stays with that order. An order
	// that does not exist is an error.
	Save(ctx context.Context, tx Tx, orders ...*Order) error

	// Delete removes orders that this transaction inserted or locked, with the references that lead to them, so that their IDs
	// and references are free. An order that does not exist changes nothing.
	Delete(ctx context.Context, tx Tx, orders ...*Order) error

	// Find returns the order as last committed, or [ErrNotFound]. It never waits for a lock.
	Find(ctx context.Context, id string) (*Order, error)

	// FindRef returns the order that a Stripe ID (cs_, pi_, ch_, sub_, in_) was saved with, as last committed, or
	// [ErrNotFound]. It never waits for a lock.
	FindRef(ctx context.Context, ref string) (*Order, error)

	// List returns committed orders that match q, sorted by time of creation and then by ID.
	List(ctx context.Context, q Query) ([]*Order, error)

	// Claim takes the keys that are free. First says for each key, in the sequence given, whether this call took it. If a key
	// is repeated within a call, only its first occurrence gives true. A claim lasts from the commit of its transaction until
	// Prune frees it; a rollback frees it at once. If a concurrent transaction is claiming the same key, Claim waits for that
	// transaction to end. A key has 1 to 500 bytes, and any other length is an error. Keys are compared byte by byte. Claim
	// keeps now as the time of the claim.
	Claim(ctx context.Context, tx Tx, now time.Time, keys ...string) (first []bool, err error)

	// Prune frees at most limit keys that were claimed before the given time, the oldest claims first, and returns how many it
	// freed. Prune does not wait for other transactions and may leave out claims that they are looking at. A freed key can be
	// claimed again, so choose before so long ago that those keys no longer come.
	Prune(ctx context.Context, before time.Time, limit int) (pruned int, err error)

	// Due leases orders that are due: it returns the IDs of at most limit orders whose DueAt is set and not after now, the
	// longest due first, and in the same step moves their DueAt to now plus lease. So concurrent callers get different orders,
	// and an order is returned again if its caller does not save it within the lease. Due leaves out locked orders and does not
	// wait for them.
	Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error)

	// ShopID returns the ID of this installation. The first call of all stores fresh as that ID. Later calls, by any process,
	// return the stored ID. An empty fresh is an error.
	ShopID(ctx context.Context, fresh string) (string, error)

	// Cursor returns the value last set under name, or "" if there is none.
	Cursor(ctx context.Context, name string) (string, error)

	// SetCursor stores value under name.
	SetCursor(ctx context.Context, name, value string) error
}

// OwnTx is a part that a [Store] may have: a transaction that trusts the library's own code, and so takes fewer requests to the
// database than InTx.
type OwnTx[Tx any] interface {
	// InOwnTx runs callback, which may be nil, and then record in one transaction, as InTx does. Only callback is code of the
	// merchant's. Record returns every error that a Store or a Reserver returns, and does not end the transaction. So the Store
	// checks between the two, and not before the commit, that the transaction is still the one that was begun.
	InOwnTx(ctx context.Context, callback, record func(tx Tx) error) error
}

// Counter is a part that a [Store] may have: it counts committed orders without reading them.
type Counter interface {
	// Count counts the orders as they stand at now. It takes no lease and waits for no lock.
	Count(ctx context.Context, now time.Time) (Counts, error)
}

// Counts is how many orders wait for something.
type Counts struct {
	// Stuck is the number of orders that need a person: see [Order.Stuck].
	Stuck int
	// Due is the number of orders whose DueAt is set and not after the time of the count. DueSince is the earliest DueAt of these;
	// zero: none is due.
	Due      int
	DueSince time.Time
}

// Query says which orders [Store.List] returns. The zero Query returns the 100 orders that were created first.
type Query struct {
	// IDs keeps the orders with one of these IDs; empty: with any.
	IDs []string
	// Status keeps the orders with one of these statuses; empty: with any.
	Status []Status
	// Stuck keeps the orders that need a person: see [Order.Stuck].
	Stuck bool
	// Email, CustomerID and Metadata keep the orders of a customer: those with this e-mail address, in upper or lower case, with
	// this customer's ID at Stripe (cus_), and with all of these pairs of metadata. The e-mail address is known once the customer
	// has paid, and gone once the order is erased. A backend on a database finds such orders by an index.
	Email      string
	CustomerID string
	Metadata   map[string]string
	// CreatedFrom and CreatedTo keep the orders created at or after CreatedFrom and before CreatedTo. A zero time sets no
	// bound.
	CreatedFrom, CreatedTo time.Time
	// Newest sorts the newest orders first.
	Newest bool
	// After begins the page behind this position: the CreatedAt and ID of the last order of the page before.
	After Position
	// Limit is the largest number of orders to return. Default: 100. Larger limits than 1000 count as 1000.
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

// PageSize is Limit with its default and its maximum applied.
func (q Query) PageSize() int {
	if q.Limit <= 0 {
		return DefaultLimit
	}
	return min(q.Limit, MaxLimit)
}
