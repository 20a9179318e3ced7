// Package reservation holds stock while a customer pays, and then sells the stock or gives it back.
//
// [Reserver.Hold] takes a [Hold]. Commit ends the hold with a sale, and Release gives its stock back. Both ends are final.
// Stock never goes below zero: if a hold does not fit, Hold refuses the whole of it with a [*ShortageError].
//
// Package reservationtest is the contract of [Reserver] as a test suite for backends.
package reservation

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Errors about a single hold. They are elements of the slice that a method of [Reserver] returns.
var (
	// ErrUnknownSKU says that stock was never set for a SKU of the hold: a program does so at its start, by SetNew.
	ErrUnknownSKU = errors.New("reservation: unknown SKU, whose stock was never set")
	// ErrNotHeld says that the hold does not exist, or has ended the other way: sold instead of released, or the reverse.
	ErrNotHeld = errors.New("reservation: not held")
	// ErrHoldExists says that a hold with this ID has other lines or has ended.
	ErrHoldExists = errors.New("reservation: hold exists")
	// ErrInvalidHold says that the hold has no lines, an ID or a SKU that [ValidID] refuses, a quantity below 1, or a sum of
	// quantities that does not fit in 64 bits.
	ErrInvalidHold = errors.New("reservation: invalid hold")
)

// Errors of the methods that set and adjust stock. These methods also return [ErrUnknownSKU].
var (
	// ErrInvalidStock says that [ValidID] refuses the SKU, or that the stock would be below zero or not fit in 64 bits.
	ErrInvalidStock = errors.New("reservation: invalid stock")
	// ErrBelowHeld says that the stock would be less than the quantity that is held for customers who are paying.
	ErrBelowHeld = errors.New("reservation: stock below the held quantity")
)

// Reserver keeps stock. Tx is the backend's own transaction, the type that a Store on the same backend uses. The calls through
// one Tx commit together or not at all.
//
// # Answers
//
// Each method takes any number of holds, also none, and returns a slice with an answer for each, in the sequence given. An error in
// the slice concerns one hold, and leaves the others and the transaction as they are: calls before and after it still commit. So no
// statement may fail for a refusal on a database that then aborts the transaction, as PostgreSQL does. The error beside the slice
// means that the backend failed: the answers are unknown, and the transaction must be rolled back. That error must match the error of
// a ctx that has ended, and what InTx of the Store looks for to run the transaction again, so wrap it and do not replace it.
//
// # Holds
//
// The Reserver keeps every hold with its lines and how it ended, or that it stands, until [Forgetter] deletes it, because callers
// repeat themselves after a crash. A repetition is recognized in a later transaction, in the same one, and in the same call. A hold
// that was refused leaves no trace: its ID can be held as soon as stock is there. A rollback leaves no trace either.
//
// [Hold] Merge does the checks and adds up the lines of one SKU. Keep what it returns: two holds have the same stock if their merged
// lines are equal, whatever the sequence of their lines was.
//
// # Concurrency
//
// All methods are safe for concurrent use by different transactions, in any number of processes. The first of two transactions that
// meet makes the second wait until it has ended, and the second then answers by what is committed:
//
//   - Two that hold the last units: the second is refused, unless the first rolls back.
//   - Two that hold the same new ID: the second finds the hold of the first.
//   - Two that end the same hold: the first ends it, and the second finds it ended.
//
// So decide only by rows that the transaction has locked, or by a conditional update that counts its rows; a plain read may be old.
// Within a transaction a call sees what earlier calls did. A backend locks SKUs in one fixed sequence, whatever the sequence of the
// holds and their lines, so that holds do not deadlock each other. A lock lasts until the transaction ends.
//
// IDs and SKUs are compared byte by byte: case, trailing spaces and the forms of an accent tell them apart, so a column needs a
// collation such as "C" or a binary type. Quantities and their sums have the range of int64.
type Reserver[Tx any] interface {
	// Hold sets stock aside. It takes the holds one after the other in the sequence given, each whole or not at all, so the
	// first of two that want the last units gets them. Lines with the same SKU count together. The answer is the first of these
	// that applies:
	//
	//   - an error that matches [ErrInvalidHold] if [Hold] Merge returns one
	//   - nil if a hold with the same ID and stock still stands. Hold then sets nothing more aside, and is not short though
	//     nothing may be left.
	//   - an error that matches [ErrHoldExists] if a hold with the same ID has other stock, was sold or was released
	//   - an error that matches [ErrUnknownSKU] if the stock of a SKU was never set. Stock of zero is known.
	//   - a [*ShortageError] that names every SKU that is short, sorted, with the whole quantity that was wanted and the quantity
	//     that earlier holds of the same call left
	//   - nil
	Hold(ctx context.Context, tx Tx, holds ...Hold) ([]error, error)

	// Commit turns holds into sales: their stock does not come back. The answer is nil, or an error that matches [ErrNotHeld]
	// if the hold is unknown or was released. An ID that [ValidID] refuses is unknown. Committing a hold again has no effect,
	// also within one call, and the answer is nil.
	Commit(ctx context.Context, tx Tx, ids ...string) ([]error, error)

	// Release gives the stock of holds back. The answer is nil, or an error that matches [ErrNotHeld] if the hold is unknown or
	// was committed. An ID that [ValidID] refuses is unknown. Releasing a hold again gives nothing more back, also within one
	// call, and the answer is nil.
	Release(ctx context.Context, tx Tx, ids ...string) ([]error, error)
}

// Previewer is a [Reserver] that can also tell, outside of any transaction, whether a hold would be refused. So a refusal of what
// is sold out takes no lock and writes nothing.
type Previewer interface {
	// Preview returns for each hold what [Reserver] Hold would answer now, if the hold were alone and its ID new: nil, a
	// [*ShortageError], or an error that matches [ErrUnknownSKU] or [ErrInvalidHold]. It reads the last committed stock, never
	// waits for a transaction, and changes nothing. A nil is no promise. If the Reserver has nothing to read from, the error
	// beside the slice matches [errors.ErrUnsupported], also for no holds.
	Preview(ctx context.Context, holds ...Hold) ([]error, error)
}

// Forgetter is a [Reserver] that can forget holds that have ended, so that its tables do not grow for ever.
type Forgetter[Tx any] interface {
	// Forget deletes the holds that have ended, by a sale or a release. It leaves the stock as it is. A hold that stands is left
	// as it is, too, and an unknown ID changes nothing. From then on the hold is unknown: Commit and Release answer
	// [ErrNotHeld], and the ID can be held again. So forget only IDs that no caller repeats anymore.
	Forget(ctx context.Context, tx Tx, ids ...string) error
}

// Hold is stock to set aside. The caller chooses the ID, which [ValidID] must accept. IDs and SKUs are compared byte by byte.
type Hold struct {
	ID    string
	Lines []Line
}

// Line is a quantity of one SKU, at least 1. [ValidID] must accept the SKU.
type Line struct {
	SKU      string
	Quantity int64
}

// Stock is the stock of one SKU. OnHand is the number of units on the shelf, without those that were sold. Held is the number
// of units on the shelf that are set aside for customers who are paying. Sold is the number of units that were ever sold.
type Stock struct {
	SKU    string
	OnHand int64
	Held   int64
	Sold   int64
}

// Available returns the quantity that can still be held.
func (s Stock) Available() int64 { return s.OnHand - s.Held }

// ShortageError is the answer to a hold that does not fit. No part of the hold was set aside.
type ShortageError struct {
	// Hold is the ID of the hold. It is not in the JSON, as it is no business of the customer's.
	Hold string `json:"-"`
	// Lines has an entry for each SKU that is short, sorted by SKU.
	Lines []Shortage `json:"lines"`
}

// Shortage is one SKU that is short.
type Shortage struct {
	SKU       string `json:"sku"`
	Wanted    int64  `json:"wanted"`
	Available int64  `json:"available"`
}

func (e *ShortageError) Error() string {
	parts := make([]string, len(e.Lines))
	for i, l := range e.Lines {
		parts[i] = fmt.Sprintf("%q: %d wanted, %d available", l.SKU, l.Wanted, l.Available)
	}
	return "reservation: hold " + e.Hold + " is short of " + strings.Join(parts, "; ")
}
