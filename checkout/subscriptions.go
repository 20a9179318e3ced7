package checkout

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// subscriptionEvents are the events of subscriptions (https://docs.stripe.com/billing/subscriptions/webhooks).
var subscriptionEvents = [...]string{
	string(webhook.CustomerSubscriptionCreated), string(webhook.CustomerSubscriptionUpdated), string(webhook.CustomerSubscriptionDeleted),
	string(webhook.CustomerSubscriptionPaused), string(webhook.CustomerSubscriptionResumed), string(webhook.CustomerSubscriptionTrialWillEnd),
}

// subscriptionFacts is what the library reads of a subscription. Before API version 2025-03-31 the period was that of the whole
// subscription (https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end).
type subscriptionFacts struct {
	ID                string            `json:"id"`
	Status            string            `json:"status"`
	Customer          objectID          `json:"customer"`
	TrialEnd          int64             `json:"trial_end"`
	CancelAt          int64             `json:"cancel_at"`
	CancelAtPeriodEnd bool              `json:"cancel_at_period_end"`
	CanceledAt        int64             `json:"canceled_at"`
	EndedAt           int64             `json:"ended_at"`
	Metadata          map[string]string `json:"metadata"`
	Details           struct {
		Reason string `json:"reason"`
	} `json:"cancellation_details"`
	Pause struct {
		Behavior string `json:"behavior"`
	} `json:"pause_collection"`
	Items struct {
		Data []itemFacts `json:"data"`
	} `json:"items"`

	OldPeriodStart int64 `json:"current_period_start"`
	OldPeriodEnd   int64 `json:"current_period_end"`

	forgotten bool // Stripe does not know it anymore; nothing else is set but the ID
}

type itemFacts struct {
	ID          string `json:"id"`
	Quantity    int64  `json:"quantity"`
	PeriodStart int64  `json:"current_period_start"`
	PeriodEnd   int64  `json:"current_period_end"`
	Price       struct {
		ID      string   `json:"id"`
		Product objectID `json:"product"`
	} `json:"price"`
}

func factsOfSubscription(s *stripe.Subscription) subscriptionFacts {
	facts := subscriptionFacts{
		ID: s.ID, Status: string(s.Status), TrialEnd: s.TrialEnd, CancelAt: s.CancelAt, CancelAtPeriodEnd: s.CancelAtPeriodEnd,
		CanceledAt: s.CanceledAt, EndedAt: s.EndedAt, Metadata: s.Metadata,
	}
	if s.Customer != nil {
		facts.Customer = objectID(s.Customer.ID)
	}
	if s.CancellationDetails != nil {
		facts.Details.Reason = string(s.CancellationDetails.Reason)
	}
	if s.PauseCollection != nil {
		facts.Pause.Behavior = string(s.PauseCollection.Behavior)
	}
	if s.Items == nil {
		return facts
	}
	for _, i := range s.Items.Data {
		item := itemFacts{ID: i.ID, Quantity: i.Quantity, PeriodStart: i.CurrentPeriodStart, PeriodEnd: i.CurrentPeriodEnd}
		if i.Price != nil {
			item.Price.ID = i.Price.ID
			if i.Price.Product != nil {
				item.Price.Product = objectID(i.Price.Product.ID)
			}
		}
		facts.Items.Data = append(facts.Items.Data, item)
	}
	return facts
}

// entry is what the order keeps of a subscription. A subscription that ends with its period ends when its first item's period
// does, whether or not Stripe names the time.
func (s *subscriptionFacts) entry(attempt int) store.Subscription {
	entry := store.Subscription{
		ID: s.ID, Attempt: attempt, Status: store.SubscriptionStatus(s.Status), Customer: string(s.Customer), TrialEnd: unixTime(s.TrialEnd),
		PeriodStart: unixTime(s.OldPeriodStart), PeriodEnd: unixTime(s.OldPeriodEnd),
		CancelAt: unixTime(s.CancelAt), CanceledAt: unixTime(s.CanceledAt), EndedAt: unixTime(s.EndedAt),
		EndReason: s.Details.Reason, CollectionPaused: s.Pause.Behavior,
	}
	for _, i := range s.Items.Data {
		entry.Items = append(entry.Items, store.SubscriptionItem{ID: i.ID, Price: i.Price.ID, Product: string(i.Price.Product), Quantity: i.Quantity})
		if start := unixTime(i.PeriodStart); start.After(entry.PeriodStart) {
			entry.PeriodStart = start
		}
		if end := unixTime(i.PeriodEnd); !end.IsZero() && (entry.PeriodEnd.IsZero() || end.Before(entry.PeriodEnd)) {
			entry.PeriodEnd = end
		}
	}
	if s.CancelAtPeriodEnd && entry.CancelAt.IsZero() {
		entry.CancelAt = entry.PeriodEnd
	}
	return entry
}

// tellsNothingNew reports whether an event about a subscription says what the order says.
func (s *subscriptionFacts) tellsNothingNew(known *store.Subscription) bool {
	return known != nil && sameSubscription(s.entry(known.Attempt), *known)
}

// sameSubscription compares what Stripe said.
func sameSubscription(heard, known store.Subscription) bool {
	heard.AskedAt, heard.AskFailedAt, heard.Answers, heard.TrialTold = known.AskedAt, known.AskFailedAt, known.Answers, known.TrialTold
	return reflect.DeepEqual(heard, known)
}

// observeSubscription brings the order in line with Stripe after an event named a subscription, and returns the ID of the order;
// empty: the subscription is not of this shop.
func (f *Flow[Tx]) observeSubscription(ctx context.Context, account string, s subscriptionFacts, created time.Time, cause string) (id string, err error) {
	o, err := f.orderOfSubscription(ctx, account, s.ID, s.Metadata, cause)
	if o == nil || err != nil {
		return "", err
	}
	known := o.SubscriptionByID(s.ID)
	if s.tellsNothingNew(known) && !trialEnds(known, f.now()) {
		if created.Add(time.Second).After(known.AskedAt) { // created is in whole seconds
			return o.ID, f.overtakeAnswers(ctx, o.ID, s.ID, cause)
		}
		return o.ID, nil
	}
	return o.ID, f.settleSubscription(ctx, o.ID, s.ID, cause, false)
}

// SettleSubscription brings an order in line with what Stripe says of its subscription and the invoices, delivers what is to be
// delivered, and returns the order. It is for a page that shows what the merchant has just changed over the API, such as the plan:
// the event of that change may come later, and is not told again. It makes two requests. An order without a subscription is
// returned as it is.
//
// Errors: one that matches [ErrNotFound]. If Stripe can't be asked, the order is returned as it is known, beside the error.
func (f *Flow[Tx]) SettleSubscription(ctx context.Context, orderID string) (*store.Order, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	o, err := f.store.Find(ctx, orderID)
	if err != nil {
		return nil, err
	}
	subscription := subscriptionOfOrder(o)
	if subscription == "" {
		return o, nil
	}
	if err := f.settleSubscription(ctx, orderID, subscription, "settle subscription", false); err != nil {
		return o, err
	}
	f.tryDeliver(ctx, orderID)
	return f.store.Find(ctx, orderID)
}

// askSubscription does for a thin event what observeSubscription does for a snapshot. The answer that says whether there is news
// of a recorded subscription is the one that is recorded.
func (f *Flow[Tx]) askSubscription(ctx context.Context, t thinEvent) (id string, err error) {
	return f.askFor(ctx, t.object, func() (string, error) {
		o, err := f.store.FindRef(ctx, t.object)
		switch {
		case err == nil && o.Account == t.account:
			return o.ID, f.settleSubscription(ctx, o.ID, t.object, t.id, true)
		case err != nil && !errors.Is(err, ErrNotFound):
			return "", err
		}
		s, err := f.stripe.subscription(ctx, t.account, t.object)
		if err != nil {
			return "", err
		}
		return f.observeSubscription(ctx, t.account, s, t.created, t.id)
	})
}

// orderOfSubscription returns the order that began a subscription, or nil. The order is found by the ID that was recorded. If
// none was, as before the event of the session has come, the metadata of the subscription says whether to ask Stripe for the
// session, which is settled then.
func (f *Flow[Tx]) orderOfSubscription(ctx context.Context, account, subscription string, metadata map[string]string, cause string) (*store.Order, error) {
	o, err := f.store.FindRef(ctx, subscription)
	switch {
	case err == nil && o.Account == account:
		return o, nil
	case err == nil:
		return nil, nil // an ID of another account
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	shop, err := f.shop(ctx)
	if err != nil {
		return nil, err
	}
	if metadata[metadataShop] != shop.id || metadata[metadataOrder] == "" {
		f.countForeign(cause, subscription)
		return nil, nil
	}
	session, err := f.stripe.sessionOfSubscription(ctx, account, subscription)
	var update sessionUpdate
	if err == nil && session != "" {
		update, err = f.stripe.session(ctx, account, string(ModeSubscription), session, cause)
	}
	switch {
	case notOurs(err) || err == nil && session == "":
		f.countForeign(cause, subscription)
		return nil, nil
	case err != nil:
		return nil, err
	}
	settled, err := f.settleSession(ctx, update)
	if err != nil || settled.orderID == "" {
		return nil, err
	}
	if o, err = f.store.Find(ctx, settled.orderID); err != nil || o.AttemptBySubscription(subscription) == nil {
		return nil, err
	}
	return o, nil
}

// subscriptionAnswers are answers of Stripe's about a subscription and some of its invoices, the newest first.
type subscriptionAnswers struct {
	subscription subscriptionFacts
	asked        time.Time // when Stripe was asked for the subscription
	invoices     []invoiceFacts
}

// settleSubscription records Stripe's newest answers about a subscription and its invoices. Subscriptions have no order of
// states that can be relied on, so that an event says only that something changed, as with refunds. With onlyNews, an answer that
// says of the subscription what the order says is not recorded, and Stripe is not asked for the invoices.
func (f *Flow[Tx]) settleSubscription(ctx context.Context, id, subscription, cause string, onlyNews bool) error {
	return f.recordSubscription(ctx, id, subscription, cause, func(before *store.Order) (*subscriptionAnswers, error) {
		asked := f.now()
		s, err := f.subscriptionOf(ctx, before, subscription)
		known := before.SubscriptionByID(subscription)
		switch {
		case err != nil:
			return nil, err
		case onlyNews && !s.forgotten && s.tellsNothingNew(known) && !trialEnds(known, f.now()):
			return nil, f.overtakeAnswers(ctx, id, subscription, cause)
		case s.forgotten:
			return &subscriptionAnswers{subscription: s, asked: asked}, nil
		}
		invoices, err := f.stripe.invoicesOf(ctx, before.Account, subscription)
		return &subscriptionAnswers{s, asked, invoices}, err
	})
}

// overtakeAnswers has those ask again who have asked Stripe for a subscription and did not record the answer yet. A customer who
// schedules a cancellation and withdraws it at once leaves the subscription as it was known, and the answer in between must not be
// recorded after that.
func (f *Flow[Tx]) overtakeAnswers(ctx context.Context, id, subscription, cause string) error {
	return f.record(ctx, id, cause, func(o *store.Order, _ time.Time) (bool, error) {
		known := o.SubscriptionByID(subscription)
		if known != nil {
			known.Answers++
		}
		return known != nil, nil
	})
}

// subscriptionOf asks for a subscription of an order. Stripe does not know it in a sandbox whose data was deleted.
func (f *Flow[Tx]) subscriptionOf(ctx context.Context, o *store.Order, id string) (subscriptionFacts, error) {
	s, err := f.stripe.subscription(ctx, o.Account, id)
	if missing(err) && !o.Livemode {
		f.log.Warn("stripe does not know a subscription: the sandbox's data was deleted", "order", o.ID, "subscription", id)
		return subscriptionFacts{ID: id, forgotten: true}, nil
	}
	return s, err
}

// recordSubscription records the newest answers that ask returns; nil: there is nothing to record.
func (f *Flow[Tx]) recordSubscription(ctx context.Context, id, subscription, cause string, ask func(before *store.Order) (*subscriptionAnswers, error)) error {
	recorded := func(o *store.Order) int { return answersOfSubscription(o, subscription) }
	return f.recordNewest(ctx, id, "subscription "+subscription, cause, recorded, func(before *store.Order) (recorder, error) {
		answers, err := ask(before)
		if answers == nil || err != nil {
			return nil, err
		}
		status := store.SubscriptionStatus(answers.subscription.Status)
		for i := range answers.invoices {
			if err := f.completeInvoice(ctx, before, &answers.invoices[i], status); err != nil {
				return nil, err
			}
		}
		return func(o *store.Order, now time.Time) (bool, error) {
			a := o.AttemptBySubscription(subscription)
			if a == nil {
				return false, nil
			}
			was, is := f.setSubscription(o, a, answers)
			if len(before.Subscriptions) == 0 && !o.FulfilledAt.IsZero() {
				skipOldNews(o, subscription)
			}
			enqueueSubscriptions(o, now, cause) // what was paid comes before how it ended
			tellSubscription(o, was, is, now, cause)
			return true, nil
		}, nil
	})
}

// answersOfSubscription is how often an answer about a subscription was recorded.
func answersOfSubscription(o *store.Order, id string) int {
	if known := o.SubscriptionByID(id); known != nil {
		return known.Answers
	}
	return 0
}

// setSubscription makes what the order keeps of a subscription and its invoices what Stripe answered. It returns what was kept of the
// subscription before and what is kept now.
func (f *Flow[Tx]) setSubscription(o *store.Order, a *store.Attempt, answers *subscriptionAnswers) (before, after store.Subscription) {
	if o.SubscriptionByID(a.Subscription) == nil {
		o.Subscriptions = append(o.Subscriptions, store.Subscription{ID: a.Subscription, Attempt: a.N})
	}
	known := o.SubscriptionByID(a.Subscription)
	before, after = *known, answers.subscription.entry(a.N)
	if answers.subscription.forgotten {
		after = before
		after.Status, after.EndedAt = store.SubscriptionCanceled, answers.asked
	}
	after.AskedAt, after.Answers, after.TrialTold = answers.asked, before.Answers, before.TrialTold
	*known = after
	changed := !sameSubscription(after, before)
	for _, i := range slices.Backward(answers.invoices) {
		changed = f.setInvoice(o, a, i) || changed
	}
	if changed {
		known.Answers++
	}
	return before, after
}

// cancelUnwanted ends the subscription of a payment that is given back automatically, as it would go on to be charged.
func (f *Flow[Tx]) cancelUnwanted(ctx context.Context, account, subscription string) error {
	if subscription == "" {
		return nil
	}
	err := f.stripe.cancelSubscription(ctx, account, subscription)
	if missing(err) {
		return nil // it has ended already
	}
	return err
}
