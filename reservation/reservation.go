// Package reservation holds stock for a customer who is paying, and sells it or gives it back when that is over.
//
// [Reserver.Hold] takes a [Hold]. Commit ends it with a sale, and Release gives the stock back. Either end is final. Stock never
// goes below zero: Hold refuses the whole of a hold that does not fit, with a [*ShortageError].
//
// reservationtest holds the contract of [Reserver] as a test suite for backends.
package reservation

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Errors for a single hold, in the slice that a method of [Reserver] returns.
var (
	// ErrUnknownSKU says that no stock was ever set for a SKU of the hold.
	ErrUnknownSKU = errors.New("reservation: unknown SKU")
	// ErrNotHeld says that the hold does not exist, or has ended the other way.
	ErrNotHeld = errors.New("reservation: not held")
	// ErrHoldExists says that there is a hold of this ID with other lines, or one that has ended.
	ErrHoldExists = errors.New("reservation: hold exists")
	// ErrInvalidHold says that the hold has no lines, an ID or a SKU that [ValidID] refuses, a quantity below 1, or a sum of
	// quantities that does not fit in 64 bits.
	ErrInvalidHold = errors.New("reservation: invalid hold")
)

// Errors that the administration of stock returns, together with [ErrUnknownSKU].
var (
	// ErrInvalidStock says that [ValidID] refuses the SKU, or that the stock would be below zero or not fit in 64 bits.
	ErrInvalidStock = errors.New("reservation: invalid stock")
	// ErrBelowHeld says that the stock would be less than the quantity that is held.
	ErrBelowHeld = errors.New("reservation: stock below what is held")
)

// Reserver keeps stock. Tx is the backend's own transaction, the type that a Store on the same backend hands out. The calls
// through one Tx commit together or not at all.
//
// Each method takes any number of holds and returns a slice with an answer for each, in the order given. An error in the slice
// concerns one hold, and leaves the others and the transaction as they are. The error beside the slice means that the backend
// failed: nothing is known, and the transaction must be rolled back.
//
// All methods are safe for concurrent use by different transactions. A backend locks SKUs in one order, whatever the order of
// the holds and their lines, so that holds do not deadlock each other. A lock lasts until the transaction ends.
type Reserver[Tx any] interface {
	// Hold sets stock aside, each hold whole or not at all, in the order given. Lines of one SKU count together. The answer
	// is nil, a [*ShortageError] that names every SKU that is short, or an error that matches [ErrUnknownSKU],
	// [ErrHoldExists] or [ErrInvalidHold]. The answer to a repeated hold with the same stock is nil while the first one
	// stands, and nothing more is held.
	Hold(ctx context.Context, tx Tx, holds ...Hold) ([]error, error)

	// Commit turns holds into sales: their stock does not come back. The answer is nil, also to a repetition, or an error that
	// matches [ErrNotHeld] if the hold is unknown or was released.
	Commit(ctx context.Context, tx Tx, ids ...string) ([]error, error)

	// Release gives the stock of holds back. The answer is nil, also to a repetition, which gives back nothing more, or an
	// error that matches [ErrNotHeld] if the hold is unknown or was committed.
	Release(ctx context.Context, tx Tx, ids ...string) ([]error, error)
}

// Hold is stock to set aside under an ID that the caller chooses and that [ValidID] accepts. IDs and SKUs that differ in any
// byte are different.
type Hold struct {
	ID    string
	Lines []Line
}

// Line is a quantity of one SKU, at least 1. A SKU is what [ValidID] accepts.
type Line struct {
	SKU      string
	Quantity int64
}

// Stock is the stock of one SKU. OnHand counts the goods on the shelf, sold ones excluded. Held counts those of them that are
// set aside for customers who are paying. Sold counts the goods that were ever sold.
type Stock struct {
	SKU    string
	OnHand int64
	Held   int64
	Sold   int64
}

// Available returns the quantity that can still be held.
func (s Stock) Available() int64 { return s.OnHand - s.Held }

// ShortageError is the answer to a hold that does not fit. Nothing of it is held.
type ShortageError struct {
	// Hold is the ID of the hold.
	Hold string
	// Lines has one entry for each SKU that is short, by SKU.
	Lines []Shortage
}

// Shortage is one SKU that is short.
type Shortage struct {
	SKU       string
	Wanted    int64
	Available int64
}

func (e *ShortageError) Error() string {
	parts := make([]string, len(e.Lines))
	for i, l := range e.Lines {
		parts[i] = fmt.Sprintf("%q: %d wanted, %d available", l.SKU, l.Wanted, l.Available)
	}
	return "reservation: hold " + e.Hold + " is short of " + strings.Join(parts, "; ")
}
