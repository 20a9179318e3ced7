// Package reservation holds stock for a customer who is paying, and sells it or gives it back when that is over.
//
// A [Hold] is taken with [Reserver.Hold] and ends with Commit (sold) or Release (back); either is final. Stock never goes
// below zero: a hold that does not fit is refused whole with a [*ShortageError].
//
// reservationtest holds the contract of [Reserver] as a test suite for backends.
package reservation

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Errors that a [Reserver] answers for a single hold.
var (
	// ErrUnknownSKU: no stock was ever set for a SKU of the hold.
	ErrUnknownSKU = errors.New("reservation: unknown SKU")
	// ErrNotHeld: the hold does not exist, or it has ended the other way.
	ErrNotHeld = errors.New("reservation: not held")
	// ErrHoldExists: a hold of this ID was taken already, with other lines or with an end.
	ErrHoldExists = errors.New("reservation: hold exists")
	// ErrInvalidHold: the hold has no lines, an ID or a SKU that [ValidID] refuses, a quantity below 1, or more than fits in
	// 64 bits.
	ErrInvalidHold = errors.New("reservation: invalid hold")
)

// Errors that the administration of stock returns, together with [ErrUnknownSKU].
var (
	// ErrInvalidStock: [ValidID] refuses the SKU, or the stock would be less than zero or more than fits in 64 bits.
	ErrInvalidStock = errors.New("reservation: invalid stock")
	// ErrBelowHeld: the stock would be less than what is set aside for customers who are paying.
	ErrBelowHeld = errors.New("reservation: stock below what is held")
)

// Reserver keeps stock. Tx is the backend's own transaction, the same that a Store of that kind hands out: what is done
// through one Tx commits together or not at all.
//
// Each method takes any number of holds and answers for each, in the order given: what is wrong with one hold is a value
// in the slice and leaves the others, and the transaction, as they are. The error beside it means that the backend failed,
// nothing is known, and the transaction must be rolled back.
//
// All methods are safe for concurrent use by different transactions. SKUs are locked in one order, whatever the order of
// the holds and their lines, so that holds do not deadlock each other; a lock lasts until the transaction ends.
type Reserver[Tx any] interface {
	// Hold sets stock aside, each hold whole or not at all, in the order given; lines of one SKU count together. It
	// answers nil, a [*ShortageError] that names every SKU that is short, or an error that matches [ErrUnknownSKU],
	// [ErrHoldExists] or [ErrInvalidHold]. Repeating a hold that still stands, with the same stock, answers nil and holds
	// nothing more.
	Hold(ctx context.Context, tx Tx, holds ...Hold) ([]error, error)

	// Commit turns holds into sales: their stock does not come back. It answers nil, also when it is repeated, or an error
	// that matches [ErrNotHeld] if the hold is unknown or was released.
	Commit(ctx context.Context, tx Tx, ids ...string) ([]error, error)

	// Release gives the stock of holds back. It answers nil, also when it is repeated, which gives back nothing more, or
	// an error that matches [ErrNotHeld] if the hold is unknown or was committed.
	Release(ctx context.Context, tx Tx, ids ...string) ([]error, error)
}

// Hold is stock to set aside under an ID that the caller chooses and that [ValidID] accepts. IDs and SKUs are told apart byte
// by byte.
type Hold struct {
	ID    string
	Lines []Line
}

// Line is a quantity of one SKU, at least 1. A SKU is what [ValidID] accepts.
type Line struct {
	SKU      string
	Quantity int64
}

// Stock is what a backend knows of one SKU, with OnHand the goods that are there, sold ones not counted. Of those, Held
// are set aside for customers who are paying, and the rest is available. Sold counts what was ever sold.
type Stock struct {
	SKU    string
	OnHand int64
	Held   int64
	Sold   int64
}

// Available is what can still be held.
func (s Stock) Available() int64 { return s.OnHand - s.Held }

// ShortageError says that a hold did not fit and that nothing of it was held.
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
