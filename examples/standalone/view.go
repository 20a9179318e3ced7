package main

import (
	"context"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// maxRows is the number of sessions, and of events, that the page lists at most.
const maxRows = 100

// A view is the content of the page.
type view struct {
	Notice, Alert        string
	APIBase, Key, Secret string
	Webhooks             string
	Accounts             []string     // the names of all accounts, if there are several
	Account              string       // the one that is shown
	Query                template.URL // of every form: it names the account
	Keeps                bool         // the state survives the program
	Now                  time.Time
	Methods              []method
	Sessions             []sessionView
	Events               []eventView // both newest first
}

// A sessionView is a session with its possible actions. Amounts are in minor units.
type sessionView struct {
	ID, URL, Mode, Status, PaymentStatus, Reference string
	Total                                           string
	Created                                         time.Time
	Open, Pending                                   bool
	Awaited                                         int64 // the part of the payment that is still to be transferred
	Left                                            int64 // the part of the payment that can be refunded or disputed
	Refunds, Disputes                               []moneyBack
}

// A moneyBack is a refund or a dispute.
type moneyBack struct {
	ID, Status, Total string
	Undecided         bool // the refund is pending, or the dispute is open
	Failable          bool // the refund can fail
}

type eventView struct {
	checkouttest.Event
	Outcome string
}

// payments holds the state of all payments, by the ID of the payment intent.
type payments struct {
	pending  map[string]bool
	awaited  map[string]int64 // the amounts that are still to be transferred
	left     map[string]int64
	refunds  map[string][]moneyBack
	disputes map[string][]moneyBack
}

// view reads the state over the API, as any client does.
func (c *control) view(ctx context.Context, acc *account) (view, error) {
	test := c.accounts.server(acc)
	v := view{
		APIBase: test.URL(), Key: strings.Join(acc.keys, " "), Secret: test.WebhookSecret(), Webhooks: receiver(acc.webhookURL),
		Now: test.Now(), Methods: methods, Events: events(test), Account: acc.name, Keeps: c.accounts.journal != nil,
		Query: template.URL("?account=" + acc.name), // the names of accounts need no escape
	}
	for _, other := range c.accounts.all {
		v.Accounts = append(v.Accounts, other.name)
	}
	paid, err := paymentsOf(ctx, test)
	if err != nil {
		return v, err
	}
	for s, err := range test.Client().V1CheckoutSessions.List(ctx, nil) {
		if err != nil {
			return v, err
		}
		if len(v.Sessions) == maxRows {
			break
		}
		row := sessionView{
			ID: s.ID, URL: s.URL, Mode: string(s.Mode), Status: string(s.Status), PaymentStatus: string(s.PaymentStatus),
			Reference: s.ClientReferenceID, Created: time.Unix(s.Created, 0), Open: s.Status == "open",
		}
		if s.Currency != "" {
			row.Total = fmt.Sprintf("%d %s", s.AmountTotal, s.Currency)
		}
		if s.PaymentIntent != nil {
			id := s.PaymentIntent.ID
			row.Pending, row.Awaited = paid.pending[id], paid.awaited[id]
			row.Left, row.Refunds, row.Disputes = paid.left[id], paid.refunds[id], paid.disputes[id]
		}
		v.Sessions = append(v.Sessions, row)
	}
	return v, nil
}

func paymentsOf(ctx context.Context, test *checkouttest.Server) (payments, error) {
	p := payments{map[string]bool{}, map[string]int64{}, map[string]int64{}, map[string][]moneyBack{}, map[string][]moneyBack{}}
	client := test.Client()
	for pi, err := range client.V1PaymentIntents.List(ctx, nil) {
		if err != nil {
			return p, err
		}
		p.pending[pi.ID] = pi.Status == "processing"
		if pi.NextAction != nil && pi.NextAction.DisplayBankTransferInstructions != nil {
			p.awaited[pi.ID] = pi.NextAction.DisplayBankTransferInstructions.AmountRemaining
		}
	}
	for ch, err := range client.V1Charges.List(ctx, nil) {
		if err != nil {
			return p, err
		}
		if ch.PaymentIntent != nil && ch.Status == "succeeded" && ch.Captured && !ch.Disputed {
			p.left[ch.PaymentIntent.ID] = ch.Amount - ch.AmountRefunded
		}
	}
	for re, err := range client.V1Refunds.List(ctx, nil) {
		if err != nil {
			return p, err
		}
		if re.PaymentIntent != nil {
			id := re.PaymentIntent.ID
			p.refunds[id] = append(p.refunds[id], moneyBack{
				ID: re.ID, Status: string(re.Status), Total: fmt.Sprintf("%d %s", re.Amount, re.Currency),
				Undecided: re.Status == "pending", Failable: re.Status == "pending" || re.Status == "succeeded",
			})
		}
	}
	for d, err := range client.V1Disputes.List(ctx, nil) {
		if err != nil {
			return p, err
		}
		if d.PaymentIntent != nil {
			id := d.PaymentIntent.ID
			p.disputes[id] = append(p.disputes[id], moneyBack{
				ID: d.ID, Status: string(d.Status), Total: fmt.Sprintf("%d %s", d.Amount, d.Currency),
				Undecided: d.Status != "won" && d.Status != "lost",
			})
		}
	}
	return p, nil
}

func events(test *checkouttest.Server) []eventView {
	events := test.Events()
	slices.Reverse(events)
	var views []eventView
	for _, e := range events[:min(len(events), maxRows)] {
		outcome := "not delivered"
		if n := len(e.Attempts); n > 0 {
			last := e.Attempts[n-1]
			outcome = fmt.Sprintf("answered %d", last.Status)
			if last.Err != "" {
				outcome = "not answered"
			}
			if n > 1 {
				outcome += fmt.Sprintf(", attempt %d", n)
			}
		}
		if e.Pending {
			outcome += ", tried again later"
		}
		views = append(views, eventView{e, outcome})
	}
	return views
}

func when(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04:05") }
