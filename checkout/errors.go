package checkout

import (
	"errors"

	"github.com/gofulfil/fulfil/store"
)

// Errors that say where an order stands. They are matched with errors.Is.
var (
	// ErrNotFound: there is no order with this ID, or no order was begun with this session. It is [store.ErrNotFound].
	ErrNotFound = store.ErrNotFound
	// ErrOrderExists: an order of this ID is there already.
	ErrOrderExists = errors.New("checkout: order exists")
	// ErrAlreadyPaid: the money for the order has arrived.
	ErrAlreadyPaid = errors.New("checkout: order is already paid")
	// ErrProcessing: the customer finished the page and the money is on its way.
	ErrProcessing = errors.New("checkout: payment of the order is processing")
	// ErrCanceled: the order was canceled; what the customer buys now is another order.
	ErrCanceled = errors.New("checkout: order is canceled")
	// ErrSuperseded: while the session was being created, another call of Begin or Cancel, or a sweep, took the order
	// over. Nobody gets the URL of this one.
	ErrSuperseded = errors.New("checkout: superseded by another call for the same order")
	// ErrStillOpen: Stripe would not end a session, and says that it is open.
	ErrStillOpen = errors.New("checkout: session could not be ended")
	// ErrUnknownOrder: a session carries the mark of this shop, but the Store has no such order or attempt. The database
	// is not the one that the session was begun with, or lost something.
	ErrUnknownOrder = errors.New("checkout: session of this shop without an order")
	// ErrBusy: another process is delivering what happened to the order.
	ErrBusy = errors.New("checkout: order is being delivered elsewhere")
	// ErrBackoff: delivering failed before and is tried again later.
	ErrBackoff = errors.New("checkout: delivery is waiting for its next try")
	// ErrNotPaid: what is asked for is for paid orders.
	ErrNotPaid = errors.New("checkout: order is not paid")
	// ErrFulfilled: an order that was handed over can't be given up.
	ErrFulfilled = errors.New("checkout: order is fulfilled")
)
