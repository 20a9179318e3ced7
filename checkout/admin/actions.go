package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// Action is something that a person can do on these pages.
type Action string

// The actions.
const (
	// Settle asks Stripe how the order's sessions and its subscription stand, and delivers what waits: see [checkout.Flow.Settle].
	Settle Action = "settle"
	// Retry is [checkout.Retry].
	Retry Action = "retry"
	// FulfilAnyway is [checkout.FulfilAnyway].
	FulfilAnyway Action = "fulfil-anyway"
	// GiveUp is [checkout.GiveUp].
	GiveUp Action = "give-up"
	// Cancel is [checkout.Flow.Cancel].
	Cancel Action = "cancel"
	// Refund is [checkout.Flow.Refund].
	Refund Action = "refund"
	// AdjustStock is [checkout.Flow.AdjustStock].
	AdjustStock Action = "adjust-stock"
)

// orderAction is an action about an order: its words, when it helps, and how it is done.
type orderAction struct {
	Action  Action
	Label   string // of the link and of the button
	Text    string // says what is done
	Danger  bool
	Done    string // the text after it
	applies func(o *store.Order) bool
	do      func(ctx context.Context, f Flow, o *store.Order) error // nil: the action has a form of its own
}

// orderActions are the actions about an order, in the sequence in which they are shown.
var orderActions = []orderAction{
	{
		Action: Settle, Label: "Ask Stripe now", Done: "Stripe was asked, and this is the answer.",
		Text:    "Asks Stripe how the order’s payment stands, records the answer, and delivers what waits. The Flow does the same by itself, only later.",
		applies: canSettle, do: settle,
	},
	{
		Action: Retry, Label: "Try again", Done: "It was tried again, and it worked.",
		Text:    "Tries again at once what failed: handing the order over, telling a change, taking stock that was short, giving a second payment back. An automatic refund of what can be handed over is withdrawn if it was not made yet.",
		applies: canRetry, do: resolve(checkout.Retry),
	},
	{
		Action: FulfilAnyway, Label: "Fulfil anyway", Done: "The payment was accepted as it is.",
		Text:    "Accepts the payment as it is, and hands the order over if it was not. Stock that is there is sold; stock that is missing is yours to find. A second payment is kept. An automatic refund that was not made yet is withdrawn.",
		applies: canFulfilAnyway, do: resolve(checkout.FulfilAnyway),
	},
	{
		Action: GiveUp, Label: "Give up", Danger: true, Done: "The order was given up, and the stock that it held is back.",
		Text:    "The order is not handed over, and the stock that it holds is back. The money stays until you refund it, and a subscription goes on until you cancel it.",
		applies: canGiveUp, do: resolve(checkout.GiveUp),
	},
	{
		Action: Cancel, Label: "Cancel the order", Danger: true, Done: "The order was canceled, and its stock is back.",
		Text:    "Ends the order’s session, so that it can no longer be paid, and gives its stock back. If the customer pays first, nothing is canceled.",
		applies: canCancel, do: func(ctx context.Context, f Flow, o *store.Order) error { return f.Cancel(ctx, o.ID) },
	},
	{
		Action: Refund, Label: "Refund", Danger: true, Done: "The refund was made.",
		Text:    "Gives money back. Stripe can’t take a refund back.",
		applies: canRefund,
	},
}

// orderActionOf returns the action about an order of a name.
func orderActionOf(name string) (orderAction, bool) {
	i := slices.IndexFunc(orderActions, func(a orderAction) bool { return string(a.Action) == name })
	if i < 0 {
		return orderAction{}, false
	}
	return orderActions[i], true
}

func resolve(r checkout.Resolution) func(ctx context.Context, f Flow, o *store.Order) error {
	return func(ctx context.Context, f Flow, o *store.Order) error { return f.Resolve(ctx, o.ID, r) }
}

// settle asks Stripe for all that may still change, and has what waits delivered.
func settle(ctx context.Context, f Flow, o *store.Order) error {
	asked := false
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.SessionID != "" && (a.Open() || a.Processing()) {
			asked = true
			if _, err := f.Settle(ctx, a.SessionID); err != nil {
				return err
			}
		}
	}
	paid := o.PaidAttempt()
	switch {
	case paid == nil:
		return nil
	case paid.Subscription != "":
		_, err := f.SettleSubscription(ctx, o.ID)
		return err
	case asked:
		return nil
	}
	_, err := f.Settle(ctx, paid.SessionID)
	return err
}

func canSettle(o *store.Order) bool {
	if o.Subscription() != nil || o.Fulfillable() {
		return true
	}
	return slices.ContainsFunc(o.Attempts, func(a store.Attempt) bool { return a.SessionID != "" && (a.Open() || a.Processing()) })
}

func canRetry(o *store.Order) bool {
	failed := o.Delivery.Tries+o.Delivery.Rollbacks+o.ChangeDelivery.Tries+o.ChangeDelivery.Rollbacks > 0
	return (o.Stuck() || failed) && checkout.Retry.Check(o) == nil
}

func canFulfilAnyway(o *store.Order) bool {
	return (o.Stuck() || !o.GivenUpAt.IsZero()) && checkout.FulfilAnyway.Check(o) == nil
}

func canGiveUp(o *store.Order) bool {
	return checkout.GiveUp.Check(o) == nil && o.GivenUpAt.IsZero()
}

func canCancel(o *store.Order) bool {
	gone := slices.ContainsFunc(o.Attempts, func(a store.Attempt) bool { return a.Gone && (a.Open() || a.Processing()) })
	return !o.Paid() && o.CancelRequestedAt.IsZero() && (gone || o.Status() != store.Processing)
}

func canRefund(o *store.Order) bool { return len(payments(o)) > 0 || canRestock(o) }

// canRestock reports whether goods of the order were sold and not put back.
func canRestock(o *store.Order) bool {
	paid := o.PaidAttempt()
	return paid != nil && paid.Hold.State == store.Sold && o.RestockedAt.IsZero()
}

// actions are the actions that help an order, and that whoever sent the request may do.
func (p *pages) actions(r *http.Request, o *store.Order) (allowed []orderAction) {
	for _, a := range orderActions {
		if a.applies(o) && p.Allow(r, a.Action) {
			allowed = append(allowed, a)
		}
	}
	return allowed
}

// advice says what helps an order that is stuck.
type advice struct {
	Text    string
	actions []Action
	lane    lane // of which the last error is shown
}

// lane is one of the queues of an order's outbox.
type lane int

const (
	fulfilling lane = 1 + iota
	telling
)

// advices are by how the reason begins that [store.Order.StuckReason] returns. The first that fits counts.
var advices = []struct {
	reason string
	advice
}{
	{"fulfilling failed", advice{"Mend the cause, then try again. It is also tried again by itself.", []Action{Retry, GiveUp, Refund}, fulfilling}},
	{"the transaction of fulfilling failed", advice{"The callback Fulfil succeeded, and its transaction did not: look at the database and at errors that Fulfil does not return. Then try again.", []Action{Retry, GiveUp, Refund}, fulfilling}},
	{store.ParkedByCallback, advice{"Fulfil refused the order for good. Mend the cause, then try again.", []Action{Retry, GiveUp, Refund}, 0}},
	{"stock is short", advice{"Find the goods and fulfil anyway, or put them into stock and try again. Otherwise give up and refund.", []Action{FulfilAnyway, Retry, GiveUp, Refund}, 0}},
	{"mismatch: ", advice{"The payment is not for what was sold. Compare both, then fulfil anyway, or give up and refund.", []Action{FulfilAnyway, GiveUp, Refund}, 0}},
	{"a part of the payment was lost", advice{"Fulfil anyway for what is left of the money, or give up and refund the rest.", []Action{FulfilAnyway, GiveUp, Refund}, 0}},
	{"the payment is in review", advice{"Close the review in Stripe’s Dashboard, and the order goes on. Or decide here.", []Action{FulfilAnyway, GiveUp, Refund}, 0}},
	{"the review of the payment was closed", advice{"Decide whether the customer gets the goods.", []Action{FulfilAnyway, GiveUp, Refund}, 0}},
	{"a payment arrived after", advice{"Refund the payment, or fulfil anyway.", []Action{Refund, FulfilAnyway}, 0}},
	{"stripe does not say", advice{"Look at the payment in Stripe’s Dashboard, and whether the key may read it. Then try again.", []Action{Retry, FulfilAnyway, GiveUp}, 0}},
	{"stripe does not know", advice{"The key may be of another account or sandbox than the order: compare them. If the session is gone for good, or the connected account has disconnected, cancel the order.", []Action{Settle, Cancel}, 0}},
	{"the subscription of", advice{"End the subscription in Stripe’s Dashboard, as the customer pays for nothing. What was paid can be refunded here.", []Action{Refund}, 0}},
	{"a change could not", advice{"Mend the callback OnChange or what it calls. The change is also tried again by itself.", []Action{Retry}, telling}},
	{"the transaction that delivers", advice{"Look at the database, and at errors that the callback OnChange does not return. The change is also tried again by itself.", []Action{Retry}, telling}},
}

// adviceFor returns what helps an order that is stuck for a reason.
func adviceFor(o *store.Order, reason string) advice {
	for _, a := range advices {
		if strings.HasPrefix(reason, a.reason) {
			return a.advice
		}
	}
	switch {
	case strings.HasSuffix(reason, "was paid, too"):
		return advice{"The customer paid twice. Refund one payment, or keep both: fulfil anyway. A refund ends no subscription: end that in Stripe’s Dashboard.", []Action{Refund, FulfilAnyway}, 0}
	case strings.Contains(reason, "could not be refunded"):
		return advice{"Mend the cause, then try again. Or refund the payment here or in Stripe’s Dashboard, or decide otherwise.", []Action{Retry, Refund, FulfilAnyway, GiveUp}, 0}
	}
	return advice{"Decide whether the customer gets the goods.", []Action{FulfilAnyway, Retry, GiveUp, Refund}, 0}
}

// mending are those of the allowed actions that help, the most likely first.
func (a advice) mending(allowed []orderAction) (mending []orderAction) {
	for _, want := range a.actions {
		if i := slices.IndexFunc(allowed, func(b orderAction) bool { return b.Action == want }); i >= 0 {
			mending = append(mending, allowed[i])
		}
	}
	return mending
}

// confirmPage asks before an action is done.
type confirmPage struct {
	orderAction
	Order  *store.Order
	Refund *refundForm // nil: the action is no refund
}

// confirmAction shows what an action does, and asks.
func (p *pages) confirmAction(w http.ResponseWriter, r *http.Request) {
	a, o, ok := p.actionOf(w, r)
	if !ok {
		return
	}
	if !a.applies(o) {
		p.orderMessage(w, r, http.StatusConflict, o.ID, a.Label+": not now", "This does not help the order as it is.")
		return
	}
	data := confirmPage{orderAction: a, Order: o}
	if a.Action == Refund {
		data.Refund = newRefundForm(o)
	}
	p.render(w, r, http.StatusOK, "confirm", page{Title: a.Label, Here: "orders", Data: data})
}

// doAction does an action, and shows the order.
func (p *pages) doAction(w http.ResponseWriter, r *http.Request) {
	a, o, ok := p.actionOf(w, r)
	if !ok || !p.parse(w, r) {
		return
	}
	if a.Action == Refund {
		p.refund(w, r, a, o)
		return
	}
	err := a.do(r.Context(), p.Flow, o)
	p.record(r, a.Action, err, "order", o.ID)
	p.answer(w, r, a, o.ID, err)
}

// answer shows the order after an action, or why the action failed.
func (p *pages) answer(w http.ResponseWriter, r *http.Request, a orderAction, id string, err error) {
	if err != nil {
		status, text := explain(a.Action, err)
		p.orderMessage(w, r, status, id, a.Label+": that did not work", text)
		return
	}
	redirect(w, "../"+id+"?done="+string(a.Action))
}

// actionOf returns the action and the order of a request. If ok is false, actionOf has answered the request.
func (p *pages) actionOf(w http.ResponseWriter, r *http.Request) (a orderAction, o *store.Order, ok bool) {
	a, known := orderActionOf(r.PathValue("action"))
	if !known {
		p.notFound(w, r)
		return a, nil, false
	}
	if !p.allowed(w, r, a.Action, "order", r.PathValue("id")) {
		return a, nil, false
	}
	o, ok = p.order(w, r)
	return a, o, ok
}

// allowed reports whether an action is allowed. If it is not, allowed has answered the request.
func (p *pages) allowed(w http.ResponseWriter, r *http.Request, a Action, key, value string) bool {
	if p.Allow(r, a) {
		return true
	}
	if r.Method == http.MethodPost {
		p.Logger.WarnContext(r.Context(), "admin action", "action", a, key, value, "who", p.Who(r), "error", "not allowed")
	}
	p.message(w, r, http.StatusForbidden, "You may not do this", "Nothing was done. Ask whoever runs this shop for the permission.")
	return false
}

// record logs an action and who did it.
func (p *pages) record(r *http.Request, a Action, err error, args ...any) {
	args = append([]any{"action", a, "who", p.Who(r)}, args...)
	if err != nil {
		p.Logger.WarnContext(r.Context(), "admin action", append(args, "error", err)...)
		return
	}
	p.Logger.InfoContext(r.Context(), "admin action", args...)
}

// parse reads the form of a request. If it can't, parse has answered the request.
func (p *pages) parse(w http.ResponseWriter, r *http.Request) bool {
	err := r.ParseForm()
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &large):
		p.message(w, r, http.StatusRequestEntityTooLarge, "The form is too large", "Nothing was done.")
	default:
		p.message(w, r, http.StatusBadRequest, "The form could not be read", "Nothing was done.")
	}
	return false
}

// explanations say what an error means, for a person.
var explanations = []struct {
	err    error
	status int
	text   string
}{
	{checkout.ErrNotFound, http.StatusNotFound, "There is no such order or invoice."},
	{checkout.ErrAlreadyPaid, http.StatusConflict, "The order is paid. Nothing was canceled."},
	{checkout.ErrProcessing, http.StatusConflict, "The customer has paid, and the money is on its way. Nothing was canceled."},
	{checkout.ErrStillOpen, http.StatusBadGateway, "Stripe did not end the session. The wish to cancel is kept, and is tried again by itself."},
	{checkout.ErrNotPaid, http.StatusConflict, "The order is not paid, so there is nothing to decide."},
	{checkout.ErrGivenBack, http.StatusConflict, "The money was given back or is on its way back, so the order is not handed over."},
	{checkout.ErrFulfilled, http.StatusConflict, "The order was handed over already, so it can’t be given up."},
	{checkout.ErrBusy, http.StatusConflict, "The decision is kept. Another process is handing the order over now: look again in a moment."},
	{checkout.ErrBackoff, http.StatusConflict, "What waits is tried again later. To do it at once, choose “Try again”."},
	{checkout.ErrNothingToRefund, http.StatusConflict, "Nothing was refunded now: less than this is left of the payment, because it was given back or is disputed. If the form was sent twice, the first refund stands."},
	{checkout.ErrNoRestock, http.StatusConflict, "Nothing was refunded: the goods can’t be put back, as the Reserver has no method for it. Refund without putting the goods back."},
	{checkout.ErrWrongAccount, http.StatusConflict, "The program’s key is of another Stripe account than the orders. Nothing was done."},
	{checkout.ErrNoStock, http.StatusConflict, "The Reserver of this shop does not show its stock."},
	{checkout.ErrStockChanged, http.StatusConflict, "Nothing was changed: somebody else changed the stock meanwhile, or the form was sent twice. Look at the stock again."},
	{reservation.ErrUnknownSKU, http.StatusNotFound, "Stock was never set for this SKU. The program sets it once."},
	{reservation.ErrBelowHeld, http.StatusConflict, "Nothing was changed: less would be left than is held for customers who are paying."},
	{reservation.ErrInvalidStock, http.StatusConflict, "Nothing was changed: the stock would be below zero, or too large."},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "There was no answer in time. It may have been done all the same: look again before you repeat it."},
}

// explain says what the error of an action means.
func explain(a Action, err error) (status int, text string) {
	for _, e := range explanations {
		if errors.Is(err, e.err) {
			return e.status, e.text
		}
	}
	if a == Retry || a == FulfilAnyway || a == GiveUp {
		return http.StatusBadGateway, "The decision is kept, and what failed is tried again by itself. It failed with: " + err.Error()
	}
	return http.StatusBadGateway, "It failed with: " + err.Error()
}
