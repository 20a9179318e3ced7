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
	// ErrCanceled: the order was canceled. Another purchase needs another order.
	ErrCanceled = errors.New("checkout: order is canceled")
	// ErrSuperseded: while the session was being created, another call of Begin or Cancel, or a sweep, took the order
	// over. The URL of this session is not handed out.
	ErrSuperseded = errors.New("checkout: superseded by another call for the same order")
	// ErrStillOpen: Stripe did not end a session, and says that the session is open.
	ErrStillOpen = errors.New("checkout: session could not be ended")
	// ErrUnknownOrder: a session carries the mark of this shop, but the Store has no such order. A replica lags behind, the
	// database is not the one that the session was begun with, or the database lost the order. A session that is older than
	// ten minutes is recorded as lost instead.
	ErrUnknownOrder = errors.New("checkout: session of this shop without an order")
	// ErrWrongMode: the key of Config.Stripe is of another mode, live or test, than the orders in the Store.
	ErrWrongMode = errors.New("checkout: key of another mode")
	// ErrWrongAccount: the key of Config.Stripe is of another Stripe account than the orders in the Store. The Flow begins,
	// sweeps and backfills nothing then.
	ErrWrongAccount = errors.New("checkout: key of another stripe account than the store's orders: use a store for each account")
	// ErrNoReserver: a line has a SKU, and Config.Reserver is nil.
	ErrNoReserver = errors.New("checkout: a line has a SKU, but Config.Reserver is nil: set it, or leave SKUs out")
	// ErrNoCustomer: the order has no customer at Stripe, as before it is paid, or as a session makes none for a single payment.
	ErrNoCustomer = errors.New("checkout: order has no customer at stripe")
	// ErrBusy: another process is delivering the order.
	ErrBusy = errors.New("checkout: order is being delivered elsewhere")
	// ErrBackoff: delivering failed before and is tried again later.
	ErrBackoff = errors.New("checkout: delivery is waiting for its next try")
	// ErrNotPaid: only paid orders can be resolved.
	ErrNotPaid = errors.New("checkout: order is not paid")
	// ErrFulfilled: an order that was handed over can't be given up.
	ErrFulfilled = errors.New("checkout: order is fulfilled")
	// ErrGivenBack: the payment was refunded or disputed, or is being refunded.
	ErrGivenBack = errors.New("checkout: payment of the order was given back or is on its way back")
	// ErrNothingToRefund: less than the amount is left of the payment, or nothing.
	ErrNothingToRefund = errors.New("checkout: no such amount is left to refund")
	// ErrNoRestock: the Reserver can't put goods back, as it has no method Adjust like that of sqlreserver.
	ErrNoRestock = errors.New("checkout: the reserver can't restock: give it a method Adjust")
	// ErrNoStock: the Reserver can't list its stock, as it has no method Stock like that of sqlreserver, or there is no Reserver.
	ErrNoStock = errors.New("checkout: the reserver can't list its stock: give it a method Stock")
	// ErrStockChanged: units came in or went away since the stock was read.
	ErrStockChanged = errors.New("checkout: stock changed since it was read: read it again")
)
