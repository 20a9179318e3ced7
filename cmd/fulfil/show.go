package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"strconv"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// orderStory is an order with all that happened to it, as JSON.
type orderStory struct {
	orderLine
	Customer      customer          `json:"customer"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	Account       string            `json:"account,omitempty"`
	Livemode      bool              `json:"livemode"`
	FulfilledAt   time.Time         `json:"fulfilled_at,omitzero"`
	GivenUpAt     time.Time         `json:"given_up_at,omitzero"`
	RestockedAt   time.Time         `json:"restocked_at,omitzero"`
	ErasedAt      time.Time         `json:"erased_at,omitzero"`
	Lines         []lineItem        `json:"lines"`
	Attempts      []attempt         `json:"attempts"`
	Refunds       []moneyBack       `json:"refunds"`
	Disputes      []moneyBack       `json:"disputes"`
	Subscriptions []subscription    `json:"subscriptions,omitempty"`
	Invoices      []invoice         `json:"invoices,omitempty"`
	Access        *access           `json:"access,omitempty"`
	Notices       []notice          `json:"notices"`
	LastError     string            `json:"last_error,omitempty"`
	Next          []step            `json:"next"`
}

type (
	customer struct {
		ID    string `json:"id,omitempty"`
		Email string `json:"email,omitempty"`
		Name  string `json:"name,omitempty"`
		Phone string `json:"phone,omitempty"`
		// ShipTo is where the goods go, with commas between its parts.
		ShipTo string `json:"ship_to,omitempty"`
	}
	lineItem struct {
		SKU        string `json:"sku,omitempty"`
		Name       string `json:"name"`
		UnitAmount int64  `json:"unit_amount"`
		Quantity   int64  `json:"quantity"`
	}
	attempt struct {
		N             int       `json:"n"`
		CreatedAt     time.Time `json:"created_at"`
		ExpiresAt     time.Time `json:"expires_at,omitzero"`
		PaidAt        time.Time `json:"paid_at,omitzero"`
		State         string    `json:"state"`
		Amount        int64     `json:"amount"`
		Session       string    `json:"session,omitempty"`
		PaymentIntent string    `json:"payment_intent,omitempty"`
		Subscription  string    `json:"subscription,omitempty"`
		Hold          string    `json:"hold,omitempty"`
		Mismatch      string    `json:"mismatch,omitempty"`
	}
	moneyBack struct {
		ID       string `json:"id"`
		State    string `json:"state"`
		Amount   int64  `json:"amount"`
		Currency string `json:"currency"`
		Attempt  int    `json:"attempt"`
		Invoice  string `json:"invoice,omitempty"`
	}
	subscription struct {
		ID        string    `json:"id"`
		Status    string    `json:"status"`
		PeriodEnd time.Time `json:"period_end,omitzero"`
		CancelAt  time.Time `json:"cancel_at,omitzero"`
		EndedAt   time.Time `json:"ended_at,omitzero"`
	}
	invoice struct {
		ID        string    `json:"id"`
		State     string    `json:"state"`
		CreatedAt time.Time `json:"created_at,omitzero"`
		Total     int64     `json:"total"`
		Paid      int64     `json:"paid"`
		Currency  string    `json:"currency"`
		Tries     int       `json:"tries,omitempty"`
		NextTry   time.Time `json:"next_try,omitzero"`
	}
	// access is what the order gives without a grace.
	access struct {
		Granted bool      `json:"granted"`
		Reason  string    `json:"reason"`
		Until   time.Time `json:"until,omitzero"`
	}
	notice struct {
		N           int       `json:"n"`
		Kind        string    `json:"kind"`
		At          time.Time `json:"at"`
		DeliveredAt time.Time `json:"delivered_at,omitzero"`
		Detail      string    `json:"detail,omitempty"`
	}
	step struct {
		Action string    `json:"action"`
		At     time.Time `json:"at,omitzero"`
		Reason string    `json:"reason"`
	}
)

// story returns all that is known of an order.
func (s *shop) story(o *store.Order) orderStory {
	st := orderStory{
		orderLine: lineOf(o), Metadata: o.Metadata, Account: o.Account, Livemode: o.Livemode,
		Customer:    customer{o.Customer.ID, o.Customer.Email, o.Customer.Name, o.Customer.Phone, shipTo(o.Customer)},
		FulfilledAt: o.FulfilledAt, GivenUpAt: o.GivenUpAt, RestockedAt: o.RestockedAt, ErasedAt: o.ErasedAt,
		Lines: []lineItem{}, Attempts: []attempt{}, Refunds: []moneyBack{}, Disputes: []moneyBack{}, Notices: []notice{}, Next: []step{},
		LastError: cmp.Or(o.Delivery.LastError, o.ChangeDelivery.LastError),
	}
	for _, l := range o.Lines {
		st.Lines = append(st.Lines, lineItem(l))
	}
	for i := range o.Attempts {
		a := &o.Attempts[i]
		st.Attempts = append(st.Attempts, attempt{
			a.N, a.CreatedAt, a.ExpiresAt, a.PaidAt, attemptState(a), a.Amount, a.SessionID, a.PaymentIntent, a.Subscription, string(a.Hold.State), a.Mismatch,
		})
	}
	for _, r := range o.Refunds {
		st.Refunds = append(st.Refunds, moneyBack{r.ID, string(r.State), r.Amount, cmp.Or(r.Currency, o.Currency), r.Attempt, r.Invoice})
	}
	for _, d := range o.Disputes {
		st.Disputes = append(st.Disputes, moneyBack{d.ID, string(d.State), d.Amount, cmp.Or(d.Currency, o.Currency), d.Attempt, d.Invoice})
	}
	for _, sub := range o.Subscriptions {
		st.Subscriptions = append(st.Subscriptions, subscription{sub.ID, string(sub.Status), sub.PeriodEnd, sub.CancelAt, sub.EndedAt})
	}
	for _, inv := range o.Invoices {
		st.Invoices = append(st.Invoices, invoice{inv.ID, string(inv.State), inv.CreatedAt, inv.Total, inv.Paid, cmp.Or(inv.Currency, o.Currency), inv.Tries, inv.NextTry})
	}
	if len(o.Subscriptions) > 0 {
		given := o.Access(s.flow.Now(), 0)
		st.Access = &access{given.Granted, string(given.Reason), given.Until}
	}
	for _, n := range o.Notices {
		st.Notices = append(st.Notices, notice{n.N, n.Kind, n.At, n.DeliveredAt, n.Detail})
	}
	for _, n := range s.flow.Next(o) {
		st.Next = append(st.Next, step{string(n.Action), n.At, n.Reason})
	}
	return st
}

// attemptState says in a word where an attempt stands.
func attemptState(a *store.Attempt) string {
	switch {
	case a.Paid && a.Duplicate:
		return "paid, too"
	case a.Paid:
		return "paid"
	case !a.ClosedAt.IsZero():
		return "closed"
	case a.Gone:
		return "unknown to stripe"
	case a.Failed:
		return "failed"
	case a.Expired:
		return "expired"
	case a.Completed:
		return "processing"
	}
	return "open"
}

// shipTo is where the goods go, on one line: to the billing address if the session asked for no other.
func shipTo(c store.Customer) string {
	a := cmp.Or(c.ShippingAddress, c.Address)
	var parts []string
	for _, part := range []string{cmp.Or(c.ShippingName, c.Name), a.Line1, a.Line2, strings.TrimSpace(a.PostalCode + " " + a.City), a.State, a.Country} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

var showCommand = command{
	name: "orders show", args: "ORDER", short: "show all that happened to an order, and what happens next",
	long: `
Shows an order with its attempts, refunds, disputes, invoices and outbox, and what the shop's processes do next. ORDER is the order's
ID, or an ID of Stripe's that leads to it: of a session, payment intent, charge, subscription or invoice (cs_, pi_, ch_, sub_, in_).
With -json, the object has the members of fulfil orders list and customer, metadata, lines, attempts, refunds, disputes,
subscriptions, invoices, access, notices and next.`,
	setup: func(p *program, _ *flag.FlagSet) action {
		return func(ctx context.Context, args []string) error {
			if len(args) != 1 {
				return usagef("orders show takes the ID of one order, or an ID of Stripe's that leads to it")
			}
			return p.showOrder(ctx, args[0])
		}
	},
}

func (p *program) showOrder(ctx context.Context, id string) error {
	s, err := p.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	o, err := s.flow.Order(ctx, id)
	if errors.Is(err, checkout.ErrNotFound) {
		o, err = s.flow.FindRef(ctx, id)
	}
	if err != nil {
		return err
	}
	if p.options.json {
		return p.printJSON(s.story(o))
	}
	return p.printStory(o, s.story(o))
}

// printStory prints an order for people, a section for each of its parts.
func (p *program) printStory(o *store.Order, st orderStory) error {
	facts := p.table("ORDER", st.ID)
	canBeRefunded := "can be refunded"
	if st.Access != nil {
		canBeRefunded = "first payment, can be refunded"
	}
	for _, fact := range [][2]string{
		{"status", string(st.Status)}, {"created", when(st.CreatedAt)}, {"total", total(o)},
		{"refunded", amountOrNone(st.Refunded, st.Currency)}, {canBeRefunded, amountOrNone(o.Refundable(), st.Currency)},
		{"fulfilled", when(st.FulfilledAt)}, {"given up", when(st.GivenUpAt)}, {"restocked", when(st.RestockedAt)}, {"erased", when(st.ErasedAt)},
		{"customer", strings.Trim(st.Customer.Email+" "+st.Customer.ID, " ")}, {"phone", st.Customer.Phone}, {"ship to", st.Customer.ShipTo},
		{"account", st.Account}, {"access without a grace", st.Access.String()}, {"needs a person", st.Stuck}, {"what helps", strings.Join(st.Helps, ", ")}, {"last error", st.LastError},
	} {
		if fact[1] == "" {
			continue
		}
		if err := facts.row(fact[0], fact[1]); err != nil {
			return err
		}
	}
	sections := []*table{facts}
	section := func(header ...string) *table {
		t := p.table(header...)
		sections = append(sections, t)
		return t
	}
	lines := section("LINE", "SKU", "UNIT", "QUANTITY")
	for _, l := range st.Lines {
		_ = lines.row(l.Name, l.SKU, checkout.FormatAmount(l.UnitAmount, st.Currency), strconv.FormatInt(l.Quantity, 10))
	}
	attempts := section("ATTEMPT", "STATE", "CREATED", "AMOUNT", "HOLD", "SESSION", "PAYMENT")
	for _, a := range st.Attempts {
		_ = attempts.row(strconv.Itoa(a.N), a.State, when(a.CreatedAt), amountOrNone(a.Amount, st.Currency), a.Hold, a.Session, cmp.Or(a.PaymentIntent, a.Subscription))
	}
	for _, ledger := range []struct {
		header  string
		entries []moneyBack
	}{{"REFUND", st.Refunds}, {"DISPUTE", st.Disputes}} {
		t := section(ledger.header, "STATE", "AMOUNT", "ATTEMPT", "INVOICE")
		for _, m := range ledger.entries {
			_ = t.row(m.ID, m.State, checkout.FormatAmount(m.Amount, m.Currency), strconv.Itoa(m.Attempt), m.Invoice)
		}
	}
	subscriptions := section("SUBSCRIPTION", "STATUS", "PERIOD ENDS", "ENDS")
	for _, sub := range st.Subscriptions {
		_ = subscriptions.row(sub.ID, sub.Status, when(sub.PeriodEnd), cmp.Or(when(sub.EndedAt), when(sub.CancelAt)))
	}
	invoices := section("INVOICE", "STATE", "CREATED", "TOTAL", "PAID", "TRIES", "NEXT TRY")
	for _, inv := range st.Invoices {
		_ = invoices.row(inv.ID, inv.State, when(inv.CreatedAt), checkout.FormatAmount(inv.Total, inv.Currency), checkout.FormatAmount(inv.Paid, inv.Currency), strconv.Itoa(inv.Tries), when(inv.NextTry))
	}
	notices := section("OUTBOX", "KIND", "RECORDED", "DELIVERED", "DETAIL")
	for _, n := range st.Notices {
		_ = notices.row(strconv.Itoa(n.N), n.Kind, when(n.At), cmp.Or(when(n.DeliveredAt), "not yet"), n.Detail)
	}
	next := section("NEXT", "WHEN", "WHY")
	for _, n := range st.Next {
		_ = next.row(n.Action, cmp.Or(when(n.At), "at once"), n.Reason)
	}
	return p.printSections(sections)
}

// String shows the access for people; empty: the order has no subscription.
func (a *access) String() string {
	switch {
	case a == nil:
		return ""
	case a.Granted:
		return strings.TrimSuffix("yes, "+a.Reason+" until "+when(a.Until), " until ")
	}
	return "no, " + a.Reason
}

// printSections prints the tables that have rows, with an empty line between them.
func (p *program) printSections(sections []*table) error {
	for i, t := range sections {
		if t.rows == 0 {
			continue
		}
		if i > 0 {
			if err := p.say(""); err != nil {
				return err
			}
		}
		if err := t.page(); err != nil {
			return err
		}
	}
	return nil
}

// amountOrNone is an amount for people; empty: it is zero.
func amountOrNone(minor int64, currency string) string {
	if minor == 0 {
		return ""
	}
	return checkout.FormatAmount(minor, currency)
}
