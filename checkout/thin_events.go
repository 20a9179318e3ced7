package checkout

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// thinEvent is a thin event as the Flow sees it: something happened to an object, and Stripe must be asked what.
type thinEvent struct {
	// id and eventType are the event's; eventType is the type of its snapshot form.
	id, eventType string
	account       string
	object        string // ID of the object that the event is about
	created       time.Time
}

func thinEventOf[T any](e *webhook.Event[webhook.Ref[T]]) (thinEvent, error) {
	t := thinEvent{id: e.ID, eventType: e.Type, account: e.Account, object: e.Object.ID(), created: e.Created}
	if t.object == "" {
		return t, fmt.Errorf("checkout: thin event %s names no object", e.ID)
	}
	return t, nil
}

// questions lets thin events of one object that arrive together share an answer of Stripe's. A question that was asked after an
// event had arrived is answered with all that the event could tell.
type questions struct {
	turn atomic.Int64 // counts arrivals and questions

	mu      sync.Mutex
	answers map[string]sharedAnswer // by what was asked about
}

// sharedAnswer is the latest answer to a question: when it was asked, and the order that the object belongs to.
type sharedAnswer struct {
	turn  int64
	order string
}

// sharedAnswersMost is how many answers are kept. Only events that arrive within moments of each other share one.
const sharedAnswersMost = 1000

// since returns the order that a question led to if it was asked after that turn.
func (q *questions) since(about string, turn int64) (order string, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.answers[about]
	return a.order, a.turn > turn
}

func (q *questions) answered(about string, a sharedAnswer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.answers == nil || len(q.answers) >= sharedAnswersMost {
		q.answers = map[string]sharedAnswer{}
	}
	q.answers[about] = a
}

// askFor calls ask, which asks Stripe about something and returns the ID of its order, unless that was asked since the event
// arrived. One goroutine at a time asks about the same.
func (f *Flow[Tx]) askFor(ctx context.Context, about string, ask func() (id string, err error)) (id string, err error) {
	arrived := f.questions.turn.Add(1)
	unlock, err := f.asking.lock(ctx, about)
	if err != nil {
		return "", err
	}
	defer unlock()
	if id, ok := f.questions.since(about, arrived); ok {
		return id, nil
	}
	asked := f.questions.turn.Add(1)
	if id, err = ask(); err != nil {
		return "", err
	}
	f.questions.answered(about, sharedAnswer{asked, id})
	return id, nil
}

// askSession settles the order of a session that a thin event named, unless the order knows already what the event's type says. A
// session that was not recorded must be asked for to learn whose it is.
func (f *Flow[Tx]) askSession(ctx context.Context, t thinEvent) (id string, err error) {
	f.warnUnswept(ctx)
	return f.askFor(ctx, t.object, func() (string, error) {
		recorded, err := f.recordedOrder(ctx, &sessionFacts{ID: t.object})
		if err != nil {
			return "", err
		}
		mode := ""
		if recorded != nil {
			if recorded.Account != t.account {
				f.countForeign(t.id, t.object)
				return "", nil
			}
			if a := recorded.AttemptBySession(t.object); a != nil && knows(a, t.eventType) {
				return recorded.ID, nil
			}
			mode = recorded.Mode
		}
		u, err := f.stripe.session(ctx, t.account, mode, t.object, t.id)
		if err != nil {
			return "", err
		}
		if err := u.follow(t.eventType); err != nil {
			return "", err
		}
		h, err := f.settleSession(ctx, u)
		return h.orderID, err
	})
}

// knows reports whether a session event of that type is no news of an attempt.
func knows(a *store.Attempt, eventType string) bool {
	switch eventType {
	case eventCompleted:
		return a.Completed
	case eventAsyncSucceeded:
		return a.Paid
	case eventAsyncFailed:
		return a.Failed || a.Paid
	case eventExpired:
		return a.Expired
	}
	return false
}

// follow takes what the type of a thin event says into an answer that was asked for after the event. An answer that lacks what the
// type says is older than the event: it is an error, so that Stripe sends the event again.
func (u *sessionUpdate) follow(eventType string) error {
	follows := true
	switch eventType {
	case eventCompleted:
		follows = u.completed
	case eventAsyncSucceeded:
		follows = u.paid
	case eventAsyncFailed:
		follows = u.completed
		u.failed = !u.paid
	case eventExpired:
		follows = u.expired
	}
	if !follows {
		return fmt.Errorf("checkout: stripe's answer about session %s is older than the event %s", u.facts.ID, u.cause)
	}
	return nil
}

// askRefund records Stripe's answer about a refund that a thin event named.
func (f *Flow[Tx]) askRefund(ctx context.Context, t thinEvent) (id string, err error) {
	return f.askFor(ctx, t.object, func() (string, error) {
		r, err := f.stripe.refund(ctx, t.account, t.object)
		if err != nil {
			return "", err
		}
		return f.observeRefund(ctx, t.account, r, t.id)
	})
}

// askDispute does for a dispute what askRefund does for a refund.
func (f *Flow[Tx]) askDispute(ctx context.Context, t thinEvent) (id string, err error) {
	return f.askFor(ctx, t.object, func() (string, error) {
		d, err := f.stripe.dispute(ctx, t.account, t.object)
		if err != nil {
			return "", err
		}
		return f.observeDispute(ctx, t.account, d, t.id)
	})
}

// askRefundsOfCharge records Stripe's answer about the refunds of a charge that a thin event named.
func (f *Flow[Tx]) askRefundsOfCharge(ctx context.Context, t thinEvent) (id string, err error) {
	return f.askFor(ctx, "refunds of "+t.object, func() (string, error) {
		c := chargeFacts{ID: t.object}
		o, err := f.findPayment(ctx, t.account, c.payment())
		if err != nil {
			return "", err
		}
		if o == nil {
			if c, err = f.stripe.charge(ctx, t.account, t.object); err != nil {
				return "", err
			}
		}
		return f.observeChargeRefunded(ctx, t.account, c, t.id)
	})
}

// askPayment asks for the session of a recorded payment that a thin event named. It needs no object: an event about a payment that was
// not recorded says nothing that the events of its session will not say.
func (f *Flow[Tx]) askPayment(ctx context.Context, t thinEvent) (id string, err error) {
	p := payment{intent: t.object}
	if slices.Contains(chargeEvents[:], t.eventType) {
		p = payment{charge: t.object}
	}
	return f.askFor(ctx, "payment "+t.object, func() (string, error) { return f.observePayment(ctx, t.account, p, t.id) })
}

// askWarning records an early fraud warning or a review that a thin event named. Only the object names its payment.
func (f *Flow[Tx]) askWarning(ctx context.Context, t thinEvent) (id string, err error) {
	ask := f.stripe.review
	if slices.Contains(warningEvents[:], t.eventType) {
		ask = f.stripe.warning
	}
	// Each type of event is a change of its own, so that events of two types share no answer.
	return f.askFor(ctx, t.eventType+" "+t.object, func() (string, error) {
		p, err := ask(ctx, t.account, t.object)
		if err != nil {
			return "", err
		}
		return f.observeWarning(ctx, t.account, t.eventType, p, t.id)
	})
}
