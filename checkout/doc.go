// Package checkout leads Stripe Checkout orders through their life. Stock is held while the customer pays, every payment is
// fulfilled, none twice, and stock is never oversold.
//
// A [Flow] needs a Stripe client, a Store and the merchant's Fulfil callback:
//
//	flow, err := checkout.New(checkout.Config[*sql.Tx]{
//		Stripe:   stripe.NewClient(os.Getenv("STRIPE_SECRET_KEY")),
//		Store:    sqlstore.New(db, sqlstore.Postgres),
//		Reserver: sqlreserver.New(sqlreserver.Postgres).WithDB(db),
//		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
//			_, err := tx.ExecContext(ctx, `INSERT INTO shipments (order_id) VALUES ($1)`, o.ID)
//			return err // nil: fulfilled, together with this row; an error: rolled back, and tried again
//		},
//	})
//	hook, err := webhook.New(webhook.Config{Secrets: []string{os.Getenv("STRIPE_WEBHOOK_SECRET")}})
//	flow.Handle(hook)
//	mux.Handle("POST /stripe/webhook", hook)
//	mux.Handle("GET /checkout/status", flow.StatusHandler())
//	go flow.Run(ctx)
//
// Where the customer pays, begin an order and send the customer to its page:
//
//	started, err := flow.Begin(ctx, checkout.Session{
//		OrderID:    "order-42",
//		Lines:      []checkout.Line{{SKU: "tee-m", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 2}},
//		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
//		HoldFor:    15 * time.Minute,
//	})
//	var short *reservation.ShortageError
//	switch {
//	case errors.As(err, &short): // sold out: short.Lines says what is missing
//	case errors.Is(err, checkout.ErrAlreadyPaid), errors.Is(err, checkout.ErrProcessing), errors.Is(err, checkout.ErrCanceled):
//		// this order is done: show it, and begin the next purchase with another OrderID
//	case err != nil: // log it, and ask the customer to try again
//	default:
//		http.Redirect(w, r, started.URL, http.StatusSeeOther)
//	}
//
// The words are explained, and the life of an order is drawn, in docs/design.md of the repository.
//
// # What is promised
//
// A transition of an order happens exactly once. What Fulfil and OnChange write through their transaction happens exactly
// once. Anything else they do, such as sending a message, happens at least once. The order's ID, or [Change].Key, is the key
// to tell repetitions by.
//
// Stripe decides when stock comes back. A hold is released only when its session can no longer be paid, or when its URL was
// never handed out. If money comes later all the same, the stock is taken again, or the order is marked as short and not
// fulfilled.
//
// A session is this shop's by the ID that was recorded, or by the secret mark in its metadata if Stripe confirms the session.
// client_reference_id proves nothing, as customers can set it. A payment must agree with what was sold in currency, subtotal
// and mode. An order whose payment differs is parked.
//
// # Subscriptions
//
// A session with [ModeSubscription] begins a subscription. Fulfil runs for the first period, or for the trial. The rest of the
// subscription's life is told by OnChange: see [ChangeRenewed] and the kinds beside it. [store.Order.Access] says whether the
// customer has access at a time, [Flow.RequireAccess] is a middleware of it, and [Flow.Portal] leads to Stripe's billing portal.
//
// A subscription counts as this shop's because Begin puts the shop, the order and the attempt's mark into its metadata, too. The
// merchant must not remove them.
//
// # Errors
//
// All of these match with [errors.Is], and those with a star with [errors.As]. A failure of the Store or of the context is
// returned as it is, in the error's chain: [store.ErrUnavailable], or [store.ErrInDoubt] if the answers to a COMMIT were lost again
// and again. docs/failover.md says after which errors to begin an order again. To do so with the same ID is always safe.
//
//	method     errors
//	Begin      *InvalidSessionError ErrNoReserver *reservation.ShortageError reservation.ErrUnknownSKU ErrAlreadyPaid
//	           ErrProcessing ErrCanceled ErrSuperseded ErrStillOpen ErrWrongMode ErrWrongAccount
//	           *stripe.Error
//	Draft      *InvalidSessionError ErrNoReserver ErrOrderExists
//	DraftTx    as Draft
//	Cancel     ErrNotFound ErrAlreadyPaid ErrProcessing ErrStillOpen *stripe.Error
//	Settle     ErrNotFound *stripe.Error, beside the order as it is known
//	SettleSubscription  as Settle
//	Resolve    ErrNotFound ErrNotPaid ErrGivenBack ErrFulfilled ErrBusy ErrBackoff *stripe.Error, and what Fulfil returned
//	Refund     ErrNotFound ErrNotPaid ErrNothingToRefund ErrNoRestock *stripe.Error
//	Order      ErrNotFound
//	FindRef    ErrNotFound
//	Stock      ErrNoStock
//	AdjustStock  ErrNoStock ErrNoRestock ErrStockChanged reservation.ErrUnknownSKU reservation.ErrInvalidStock
//	           reservation.ErrBelowHeld
//	Portal     ErrNotFound ErrNoCustomer *stripe.Error
//	Erase      ErrNotFound
//	Backfill   *stripe.Error, joined for all that failed
//	Sweep      none but those of the Store and the context: what fails is logged and tried again
//
// # The builder alone
//
// [Session] and [Amount] are useful without a Flow: [Session.CreateParams] validates a session and returns the parameters
// that stripe-go sends.
package checkout
