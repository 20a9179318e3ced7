package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// askAtMost is how often Stripe is asked for one session by those who wait for it.
const askAtMost = 2 * time.Second

// DisplayStatus is the status of an order in one word for a page: [Fulfilled], or a [store.Status].
type DisplayStatus string

// Fulfilled is the [DisplayStatus] of an order that is paid and was handed over.
const Fulfilled DisplayStatus = "fulfilled"

// Display returns the order's status for a page: [Fulfilled] once the order was handed over, as long as nothing was
// refunded or disputed since, and otherwise the order's [store.Status]. How a subscription stands, [store.Order.Access] says.
func Display(o *store.Order) DisplayStatus {
	status := o.Status()
	if !o.FulfilledAt.IsZero() && status == store.Paid {
		return Fulfilled
	}
	return DisplayStatus(status)
}

// Settle brings the order of a session up to date: it asks Stripe, unless the order is settled or Stripe was asked within
// the last two seconds, delivers what is to be delivered, and returns the order. It is for a page that the customer comes
// back to, when the webhook is late.
//
// For all pages together, [Flow.StatusHandler]'s too, one process makes at most five requests to Stripe in a second, and ten at
// once. Beyond that, and for a second or longer after Stripe answered 429 (https://docs.stripe.com/rate-limits), Settle returns the
// order as it is known.
//
// A session that no order was begun with is an error that matches [ErrNotFound], without a question to Stripe. If
// Stripe can't be asked, the order is returned as it is known, beside the error.
func (f *Flow[Tx]) Settle(ctx context.Context, sessionID string) (*store.Order, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	o, err := f.orderOfSession(ctx, sessionID)
	if err != nil {
		return nil, err
	}
	if unsettled(o, sessionID, f.now()) {
		if err := f.askIfDue(ctx, o.ID, sessionID); err != nil {
			return o, err
		}
		if o, err = f.store.Find(ctx, o.ID); err != nil {
			return o, err
		}
	}
	if !f.waits(o) {
		return o, nil
	}
	f.tryDeliver(ctx, o.ID)
	return f.store.Find(ctx, o.ID)
}

// orderOfSession returns the order of a recorded session.
func (f *Flow[Tx]) orderOfSession(ctx context.Context, sessionID string) (*store.Order, error) {
	o, err := f.store.FindRef(ctx, sessionID)
	if errors.Is(err, store.ErrNotFound) || err == nil && o.AttemptBySession(sessionID) == nil {
		return nil, ErrNotFound
	}
	return o, err
}

// askIfDue asks Stripe for a session that may still change, at most every two seconds over all processes, and no more often than the
// budget of status pages allows.
func (f *Flow[Tx]) askIfDue(ctx context.Context, id, sessionID string) error {
	unlock, ok := f.asking.tryLock(sessionID)
	if !ok {
		return nil // somebody asks already; whoever polls comes again
	}
	defer unlock()
	if !f.statusBudget.take(f.now()) {
		return nil
	}
	// Another page may come at the same time: the first to say so under the lock asks.
	var o *store.Order
	var mine bool
	err := f.record(ctx, id, "status", func(locked *store.Order, now time.Time) (bool, error) {
		if mine = unsettled(locked, sessionID, now); mine {
			locked.AttemptBySession(sessionID).CheckedAt = now
		}
		o = locked
		return mine, nil
	})
	if err != nil || !mine {
		return err
	}
	err = f.ask(ctx, o, o.AttemptBySession(sessionID), "status")
	if pause, limited := rateLimited(err); limited {
		f.statusBudget.exhaust(f.now(), max(pause, time.Second))
	}
	return err
}

func unsettled(o *store.Order, sessionID string, now time.Time) bool {
	a := o.AttemptBySession(sessionID)
	return a != nil && (a.Open() || a.Processing()) && now.Sub(a.CheckedAt) >= askAtMost
}

// MaxWait is the longest that the status endpoint waits for news.
const MaxWait = 30 * time.Second

// StatusHandler answers GET and HEAD with the status of the order of a session, named by the query parameter session_id,
// as a JSON object with the members order_id and status, where status is what [Display] returns. It holds no personal
// data and is never cached. GET settles the order first, see [Flow.Settle]; HEAD only looks it up. A session that is not
// known is 404. If Stripe can't be asked, the answer is what is known. An answer of another status than 200 is a JSON object with
// the member error, a text for the programmer.
//
// With the query parameter wait, such as wait=10s or wait=10, which is in seconds, GET answers when the order is no longer about to change, or after that
// time, at most [MaxWait]. Waiting ends when [Flow.Run] does. Many may wait: what this process settles wakes them at once, what
// another process settles they find within two to ten seconds, and later if more than a thousand sessions are waited for.
func (f *Flow[Tx]) StatusHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			statusError(w, http.StatusMethodNotAllowed, "method not allowed: use GET or HEAD")
			return
		}
		o, err := f.statusOrder(r)
		switch {
		case errors.Is(err, ErrNotFound):
			statusError(w, http.StatusNotFound, "unknown session: session_id names no session of this shop")
			return
		case errors.Is(err, errBadWait):
			statusError(w, http.StatusBadRequest, "wait is not a duration such as 10s")
			return
		case err != nil && r.Context().Err() != nil:
			return // the customer closed the page
		case err != nil:
			f.log.Error("status could not be read", "error", err)
			statusError(w, http.StatusInternalServerError, "status could not be read: try again later")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(struct { // the client may be gone
			OrderID string        `json:"order_id"`
			Status  DisplayStatus `json:"status"`
		}{o.ID, Display(o)})
	})
}

// statusError answers with an error, as JSON like every answer of the status endpoint.
func statusError(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(struct { // the client may be gone
		Error string `json:"error"`
	}{text})
}

var errBadWait = errors.New("checkout: wait is no duration")

func (f *Flow[Tx]) statusOrder(r *http.Request) (*store.Order, error) {
	query := r.URL.Query()
	sessionID := query.Get("session_id")
	if len(sessionID) == 0 || len(sessionID) > 255 {
		return nil, ErrNotFound
	}
	if r.Method == http.MethodHead {
		return f.orderOfSession(r.Context(), sessionID)
	}
	var wait time.Duration
	if text := query.Get("wait"); text != "" {
		var err error
		if wait, err = parseWait(text); err != nil {
			return nil, err
		}
	}
	if wait == 0 {
		return f.settleForPage(r.Context(), sessionID)
	}
	over := time.NewTimer(min(wait, MaxWait))
	defer over.Stop()
	p := f.waiters.find(sessionID)
	var o *store.Order
	if p == nil {
		var err error
		if o, err = f.settleForPage(r.Context(), sessionID); err != nil || !aboutToChange(o) {
			return o, err
		}
		p = f.waiters.join(sessionID, o.ID)
	}
	defer f.waiters.leave(p)
	latest, err := f.await(r.Context(), p, over.C)
	switch {
	case err != nil:
		return nil, err
	case latest != nil:
		return latest, nil
	case o != nil:
		return o, nil
	}
	return f.orderOfSession(r.Context(), sessionID) // nobody has looked yet
}

// parseWait reads a duration such as 10s, or a number of seconds.
func parseWait(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 {
		return 0, errBadWait
	}
	return wait, nil
}

// settleForPage is Settle for a page that shows what is known if Stripe can't be asked.
func (f *Flow[Tx]) settleForPage(ctx context.Context, sessionID string) (*store.Order, error) {
	o, err := f.Settle(ctx, sessionID)
	if o == nil {
		return nil, err
	}
	if err != nil {
		f.log.Warn("status is shown as it is known", "order", o.ID, "error", err)
	}
	return o, nil
}

// aboutToChange reports whether a customer who looks at the order will soon see something else: it is being paid, or being
// fulfilled.
func aboutToChange(o *store.Order) bool {
	return o.Status() == store.Open || o.Fulfillable()
}
