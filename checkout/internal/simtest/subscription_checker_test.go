package simtest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// timelines are the states that subscriptions have been in, by ID, and which of them the orders know.
type timelines struct {
	states map[string][]store.Subscription
	known  map[string]int
	losses int64
}

// hearSubscription brings what is known of a session's subscription up to date.
func (c *checker) hearSubscription(s *simSession, e checkouttest.Event) {
	if sub, ok := subscriptionIn(e); ok {
		c.timelines.states[sub.ID] = append(c.timelines.states[sub.ID], sub.entry(0))
	}
	if inv, ok := invoiceIn(e); ok && e.Type == "invoice.paid" && inv.Reason == "subscription_create" { // also a trial, of which nothing was paid
		s.paid, s.paying = true, false
	}
}

// subscriptions checks what an order knows of its subscriptions at any moment.
func (c *checker) subscriptions(before, o *store.Order) error {
	if losses := c.w.losses.Load(); losses != c.timelines.losses {
		c.timelines.losses, c.timelines.known = losses, map[string]int{}
	}
	for _, s := range o.Subscriptions {
		states := c.timelines.states[s.ID]
		from := c.timelines.known[s.ID]
		n := slices.IndexFunc(states[min(from, len(states)):], func(state store.Subscription) bool { return sameFacts(state, s) })
		if n < 0 {
			return fmt.Errorf("%s: what is known of its subscription is older than what was known, or was never true: %+v", o.ID, s)
		}
		c.timelines.known[s.ID] = from + n
	}
	for i, n := range o.Notices {
		if !slices.Contains(oncePerSubject, checkout.ChangeKind(n.Kind)) {
			continue
		}
		for _, other := range o.Notices[:i] {
			if other.Kind == n.Kind && other.Attempt == n.Attempt && other.Invoice == n.Invoice && other.Try == n.Try && other.When.Equal(n.When) {
				return fmt.Errorf("%s: %s of attempt %d is told twice", o.ID, n.Kind, n.Attempt)
			}
		}
	}
	if before == nil {
		return nil
	}
	for _, was := range before.Invoices {
		is := o.Invoice(was.ID)
		if is != nil && (was.State == store.InvoicePaid && is.State != was.State || is.Tries < was.Tries || is.Paid < was.Paid) {
			return fmt.Errorf("%s: invoice %s was %+v, and is %+v", o.ID, was.ID, was, *is)
		}
	}
	return nil
}

// oncePerSubject are the changes of a subscription that are told once of an invoice, a try or a time.
var oncePerSubject = []checkout.ChangeKind{checkout.ChangeRenewed, checkout.ChangePaymentFailed, checkout.ChangeEnded, checkout.ChangeTrialEnding}

// sameFacts compares what Stripe said of a subscription.
func sameFacts(a, b store.Subscription) bool {
	for _, s := range []*store.Subscription{&a, &b} {
		s.Attempt, s.AskedAt, s.AskFailedAt, s.Answers, s.TrialTold = 0, time.Time{}, time.Time{}, 0, time.Time{}
	}
	return reflect.DeepEqual(a, b)
}

// tale is a change that the merchant was told of.
type tale struct {
	n       int // of the outbox entry
	kind    checkout.ChangeKind
	attempt int
	invoice string
	try     int
	when    time.Time
	detail  string
	at      time.Time
	status  store.SubscriptionStatus // of the attempt's subscription in the order that the merchant saw; empty: none, or it was not told
}

func taleOf(c checkout.Change) tale {
	n, _ := strconv.Atoi(c.Key[strings.LastIndexByte(c.Key, '/')+1:])
	t := tale{n, c.Kind, c.Attempt, c.Invoice, c.Try, c.When, c.Detail, c.At, ""}
	if a := c.Order.Attempt(c.Attempt); a != nil && c.Order.SubscriptionByID(a.Subscription) != nil {
		t.status = c.Order.SubscriptionByID(a.Subscription).Status
	}
	return t
}

// tales are all changes of an order that the merchant was told of or, after a callback failed for good, is not told of
// anymore, in the order of the outbox. An entry whose callback failed for good leaves no row, and the outbox drops it like one that
// was told. Entries after the latest one are of a database that was lost.
func (c *checker) tales(o *store.Order) []tale {
	told := map[int]tale{}
	c.w.mu.Lock()
	for _, t := range c.w.refused[o.ID] {
		if len(o.Notices) > 0 && t.n <= o.Notices[len(o.Notices)-1].N {
			told[t.n] = t
		}
	}
	c.w.mu.Unlock()
	for _, row := range c.w.database().Scan("told/" + o.ID + "/") {
		t := row.Value.(tale)
		told[t.n] = t
	}
	for _, n := range o.Notices {
		if n.Kind != store.NoticeFulfil {
			told[n.N] = tale{n.N, checkout.ChangeKind(n.Kind), n.Attempt, n.Invoice, n.Try, n.When, n.Detail, n.At, told[n.N].status}
		}
	}
	var all []tale
	for _, t := range told {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b tale) int { return a.n - b.n })
	return all
}

// subscriptionAtRest checks what an order knows of its subscriptions, and what the merchant was told, against Stripe.
func (c *checker) subscriptionAtRest(o *store.Order, all truth) error {
	if err := c.subscriptionMoneyAtRest(o, all); err != nil {
		return err
	}
	tales := c.tales(o)
	for id, session := range all.sessions {
		s := all.subscriptions[id]
		if s == nil || session.ClientReferenceID != o.ID || c.w.foreign(id) {
			continue
		}
		a := o.AttemptBySession(id)
		if a == nil || a.Subscription != s.now.ID {
			return fmt.Errorf("%s: subscription %s is not recorded", o.ID, s.now.ID)
		}
		if err := factsAtRest(o, a, s); err != nil {
			return fmt.Errorf("%s: %w", o.ID, err)
		}
		if c.w.refunds[a.PaymentIntent] != "" && !s.now.over() {
			return fmt.Errorf("%s: the shop gave the payment of attempt %d back, and its subscription goes on", o.ID, a.N)
		}
		var own []tale
		for _, t := range tales {
			if t.attempt == a.N {
				own = append(own, t)
			}
		}
		for _, check := range []func([]tale, *subscriptionTruth) error{
			renewalsTold, c.failuresTold, planTold, statusesTold, cancellationsTold, c.trialsTold,
		} {
			if err := check(own, s); err != nil {
				return fmt.Errorf("%s: %w", o.ID, err)
			}
		}
	}
	return c.accessAtRest(o, all)
}

// factsAtRest checks the subscription and the ledger of invoices.
func factsAtRest(o *store.Order, a *store.Attempt, s *subscriptionTruth) error {
	known := o.SubscriptionByID(s.now.ID)
	if known == nil || known.Attempt != a.N || !sameFacts(s.now.entry(0), *known) {
		return fmt.Errorf("of a subscription, Stripe says %+v, the order %+v", s.now.entry(a.N), known)
	}
	ledger := 0
	for _, i := range o.Invoices {
		if i.Subscription == s.now.ID {
			ledger++
		}
	}
	if ledger+o.OlderInvoices.Count < len(s.invoices) || ledger > len(s.invoices) {
		return fmt.Errorf("%d invoices in the ledger, and %d at Stripe", ledger, len(s.invoices))
	}
	for _, i := range s.invoices {
		known := o.Invoice(i.ID)
		if known == nil && !unix(i.Created).After(o.OlderInvoices.Through) {
			continue // summed up
		}
		start, end := i.period()
		want := store.Invoice{
			ID: i.ID, Attempt: a.N, Subscription: s.now.ID, Reason: i.Reason, State: store.InvoiceState(i.Status), Currency: i.Currency, Total: i.Total,
			Due: i.AmountDue, Paid: i.AmountPaid, CreatedAt: unix(i.Created), DueDate: unix(i.DueDate), PeriodStart: start, PeriodEnd: end, Tries: i.Tries, NextTry: unix(i.NextTry),
			PaymentIntents: i.intents(),
		}
		if known == nil {
			return fmt.Errorf("the ledger lacks an invoice: %+v", want)
		}
		is := *known
		is.Charges, is.RenewalTold, is.FailureTold = nil, false, 0
		if !reflect.DeepEqual(is, want) {
			return fmt.Errorf("of an invoice, Stripe says %+v, the ledger %+v", want, is)
		}
	}
	return nil
}

// renewalsTold checks that each paid renewal was told once, with the end of its period, and no other. None is told after one that was
// paid later and is of a later period. Either order alone can be turned round: an old invoice can be paid after a newer one, and a
// flow that missed all events of the newer one then tells of the old one first.
func renewalsTold(tales []tale, s *subscriptionTruth) error {
	told := map[string]int{}
	var earlier []invoiceTruth
	for _, t := range tales {
		if t.kind != checkout.ChangeRenewed {
			continue
		}
		n := slices.IndexFunc(s.invoices, func(i invoiceTruth) bool { return i.ID == t.invoice })
		if n < 0 || !s.renewal(n) {
			return fmt.Errorf("a renewal was told that never was: %+v", t)
		}
		renewal := s.invoices[n]
		if _, end := renewal.period(); !t.when.Equal(end) {
			return fmt.Errorf("a renewal until %v was told as %+v", end, t)
		}
		for _, other := range earlier {
			if renewal.Transitions.PaidAt < other.Transitions.PaidAt && renewal.Created < other.Created {
				return fmt.Errorf("the renewal of %v was told after that of %v", unix(renewal.Created), unix(other.Created))
			}
		}
		earlier = append(earlier, renewal)
		told[t.invoice]++
	}
	for n, i := range s.invoices {
		if s.renewal(n) && told[i.ID] != 1 {
			return fmt.Errorf("the renewal of %v was told %d times", unix(i.Created), told[i.ID])
		}
	}
	return nil
}

// renewal reports whether an invoice is paid and pays for a period of its own, be it that a change of the subscription began the period.
func (s *subscriptionTruth) renewal(n int) bool {
	i := s.invoices[n]
	_, end := i.period()
	begins := i.Reason == "subscription_update" && i.Total > 0
	for _, earlier := range s.invoices[:n] {
		if _, other := earlier.period(); other.Equal(end) {
			begins = false
		}
	}
	return i.Status == "paid" && (begins || i.Reason == "subscription_cycle")
}

// failuresTold checks that failed payments were told once, and none that did not fail. The latest try of an invoice that is not
// paid must be told, and in a calm history each.
func (c *checker) failuresTold(tales []tale, s *subscriptionTruth) error {
	told := map[string][]int{}
	for _, t := range tales {
		if t.kind != checkout.ChangePaymentFailed {
			continue
		}
		if again, ok := s.tries[t.invoice][t.try]; !ok || !slices.ContainsFunc(again, func(at int64) bool { return unix(at).Equal(t.when) }) {
			return fmt.Errorf("a failed payment was told that never was: %+v, and the tries were %v", t, s.tries[t.invoice])
		}
		if tries := told[t.invoice]; len(tries) > 0 && tries[len(tries)-1] >= t.try {
			return fmt.Errorf("try %d of invoice %s was told after try %d", t.try, t.invoice, tries[len(tries)-1])
		}
		told[t.invoice] = append(told[t.invoice], t.try)
	}
	for _, i := range s.invoices {
		waits := i.NextTry != 0 || s.now.Status != "active" && s.now.Status != "trialing"
		unpaid := i.Status == "open" || i.Status == "uncollectible"
		if i.Reason == "subscription_create" {
			continue
		}
		if unpaid && waits && i.Tries > 0 && !slices.Contains(told[i.ID], i.Tries) {
			return fmt.Errorf("try %d of invoice %s failed, and that was not told", i.Tries, i.ID)
		}
		for try, again := range s.tries[i.ID] {
			if c.w.calm && again[0] != 0 && !slices.Contains(told[i.ID], try) {
				return fmt.Errorf("try %d of invoice %s failed, and that was not told", try, i.ID)
			}
		}
	}
	return nil
}

// planTold checks that the told changes of the plan lead from the first to the present one, by states that the plan was in.
func planTold(tales []tale, s *subscriptionTruth) error {
	plan, at := s.states[0].plan(), 0
	begun := false
	for _, t := range tales {
		if t.kind != checkout.ChangePlanChanged {
			continue
		}
		was, is, _ := strings.Cut(t.detail, " -> ")
		if !begun { // what happened before the order knew the subscription is not told
			n := slices.IndexFunc(s.states, func(state subscriptionState) bool { return state.plan() == was })
			plan, at, begun = was, n, n >= 0
		}
		if was != plan || was == is || at < 0 {
			return fmt.Errorf("the plan was %s, and a change was told: %s", plan, t.detail)
		}
		n := slices.IndexFunc(s.states[at:], func(state subscriptionState) bool { return state.plan() == is })
		if n < 0 {
			return fmt.Errorf("a change of the plan was told that never was: %s", t.detail)
		}
		plan, at = is, at+n
	}
	if begun && plan != s.now.plan() {
		return fmt.Errorf("the plan is %s, and the merchant was told of %s", s.now.plan(), plan)
	}
	return nil
}

// statusesTold checks that the told statuses lead to the present one, by those that the subscription had. Whoever wrote down what the
// order said at the last change has the present status, too.
func statusesTold(tales []tale, s *subscriptionTruth) error {
	status, at := "", 0
	for _, t := range tales {
		if t.kind != checkout.ChangeSubscriptionStatus {
			continue
		}
		was, is, _ := strings.Cut(t.detail, " -> ")
		if status != "" && status != was || was == is {
			return fmt.Errorf("the status was %s, and a change was told: %s", status, t.detail)
		}
		n := slices.IndexFunc(s.states[at:], func(state subscriptionState) bool { return state.Status == is })
		if n < 0 {
			return fmt.Errorf("a status was told that never was: %s", t.detail)
		}
		status, at = is, at+n
	}
	if status != "" && status != s.now.Status && !s.now.over() {
		return fmt.Errorf("the status is %s, and the merchant was told of %s", s.now.Status, status)
	}
	if len(tales) == 0 {
		return nil
	}
	last := tales[len(tales)-1]
	if last.status != "" && last.status != store.SubscriptionIncomplete && string(last.status) != s.now.Status {
		return fmt.Errorf("the status is %s, and in the order of the last change, %s, it is %s", s.now.Status, last.kind, last.status)
	}
	return nil
}

// cancellationsTold checks that ends that were scheduled, withdrawn and came were told once, and in order.
func cancellationsTold(tales []tale, s *subscriptionTruth) error {
	var end time.Time
	at, ended := 0, 0
	find := func(matches func(subscriptionState) bool) bool {
		n := slices.IndexFunc(s.states[at:], matches)
		at += max(n, 0)
		return n >= 0
	}
	for _, t := range tales {
		switch t.kind {
		case checkout.ChangeCancellationScheduled:
			if t.when.Equal(end) || !find(func(state subscriptionState) bool { return unix(state.CancelAt).Equal(t.when) }) {
				return fmt.Errorf("an end at %v was told that was not scheduled: %+v", t.when, t)
			}
			end = t.when
		case checkout.ChangeCancellationWithdrawn:
			if end.IsZero() || !find(func(state subscriptionState) bool { return state.CancelAt == 0 }) {
				return fmt.Errorf("it was told that an end was withdrawn, and it was not: %+v", t)
			}
			end = time.Time{}
		case checkout.ChangeEnded:
			if !s.now.over() || s.now.EndedAt != 0 && !t.when.Equal(unix(s.now.EndedAt)) {
				return fmt.Errorf("an end was told that never was: %+v", t)
			}
			ended++
			continue
		default:
			continue
		}
		if ended > 0 {
			return fmt.Errorf("the subscription has ended, and %s was told", t.kind)
		}
	}
	switch {
	case s.now.over() && ended != 1:
		return fmt.Errorf("the subscription has ended, and that was told %d times", ended)
	case !s.now.over() && !end.Equal(unix(s.now.CancelAt)):
		return fmt.Errorf("the subscription ends at %v, and the merchant was told of %v", unix(s.now.CancelAt), end)
	}
	return nil
}

// clocksApart is how far the clocks of processes are ahead of Stripe's at most.
const clocksApart = 15 * time.Minute

// trialsTold checks that the ends of trials were told once, in a calm history each.
func (c *checker) trialsTold(tales []tale, s *subscriptionTruth) error {
	told := map[int64]int{}
	for _, t := range tales {
		if t.kind != checkout.ChangeTrialEnding {
			continue
		}
		end := t.when.Unix()
		if t.at.After(t.when.Add(clocksApart)) {
			return fmt.Errorf("the end of a trial at %v was told at %v", t.when, t.at)
		}
		told[end]++
		if told[end] > 1 || !slices.ContainsFunc(s.states, func(state subscriptionState) bool { return state.TrialEnd == end && state.Status == "trialing" }) {
			return fmt.Errorf("the end of a trial was told %d times: %+v", told[end], t)
		}
	}
	for _, end := range s.warned {
		if c.w.calm && told[end] != 1 {
			return fmt.Errorf("a trial was to end at %v, and that was told %d times", unix(end), told[end])
		}
	}
	return nil
}
