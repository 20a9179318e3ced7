package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
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
// refunded or disputed since, and otherwise the order's [store.Status].
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
// A session that no order was begun with is an error that matches [ErrNotFound], without a question to Stripe. If
// Stripe can't be asked, the order is returned as it is known, beside the error.
func (f *Flow[Tx]) Settle(ctx context.Context, sessionID string) (*store.Order, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	o, err := f.orderOfSession(ctx, sessionID)
	if err != nil {
		return nil, err
	}
	if a := o.AttemptBySession(sessionID); !a.Open() && !a.Processing() && !f.waits(o) {
		return o, nil
	}
	if err := f.askIfDue(ctx, o.ID, sessionID); err != nil {
		return o, err
	}
	if o, err = f.store.Find(ctx, o.ID); err != nil || !f.waits(o) {
		return o, err
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

// askIfDue asks Stripe for a session that may still change, at most every two seconds over all processes.
func (f *Flow[Tx]) askIfDue(ctx context.Context, id, sessionID string) error {
	unlock, ok := f.asking.tryLock(sessionID)
	if !ok {
		return nil // somebody asks already; whoever polls comes again
	}
	defer unlock()
	now := f.now()
	o, err := f.store.Find(ctx, id)
	if err != nil || !unsettled(o, sessionID, now) {
		return err
	}
	// Another process may come at the same time: the first to say so under the lock asks.
	var mine bool
	err = f.record(ctx, id, "status", func(locked *store.Order, now time.Time) (bool, error) {
		if mine = unsettled(locked, sessionID, now); mine {
			locked.AttemptBySession(sessionID).CheckedAt = now
		}
		o = locked
		return mine, nil
	})
	if err != nil || !mine {
		return err
	}
	return f.ask(ctx, o, o.AttemptBySession(sessionID), "status")
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
// known is 404. If Stripe can't be asked, the answer is what is known.
//
// With the query parameter wait, such as wait=10s, GET answers when the order is no longer about to change, or after that
// time, at most [MaxWait]. Waiting ends when [Flow.Run] does.
func (f *Flow[Tx]) StatusHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		o, err := f.statusOrder(r)
		switch {
		case errors.Is(err, ErrNotFound):
			http.Error(w, "unknown session", http.StatusNotFound)
			return
		case errors.Is(err, errBadWait):
			http.Error(w, "wait is not a duration such as 10s", http.StatusBadRequest)
			return
		case err != nil && r.Context().Err() != nil:
			return // the customer closed the page
		case err != nil:
			f.log.Error("status could not be read", "error", err)
			http.Error(w, "status could not be read", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(struct { // the client may be gone
			OrderID string        `json:"order_id"`
			Status  DisplayStatus `json:"status"`
		}{o.ID, Display(o)})
	})
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
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 {
			return nil, errBadWait
		}
	}
	over := time.NewTimer(min(wait, MaxWait))
	defer over.Stop()
	again := time.NewTicker(askAtMost)
	defer again.Stop()
	for {
		o, err := f.Settle(r.Context(), sessionID)
		if err != nil && o == nil {
			return nil, err
		}
		if err != nil {
			f.log.Warn("status is shown as it is known", "order", o.ID, "error", err)
		}
		if wait == 0 || !aboutToChange(o) {
			return o, nil
		}
		select {
		case <-again.C:
		case <-over.C:
			wait = 0
		case <-f.ended:
			wait = 0
		case <-r.Context().Done():
			return o, nil
		}
	}
}

// aboutToChange reports whether a customer who looks at the order will soon see something else: it is being paid, or being
// fulfilled.
func aboutToChange(o *store.Order) bool {
	return o.Status() == store.Open || o.Fulfillable()
}
