package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// outcome is what a command about an order did, as JSON.
type outcome struct {
	Order string `json:"order"`
	Done  string `json:"done"`
	// Next is what the shop's processes carry out.
	Next []step `json:"next"`
}

// report says what was recorded, and who carries it out.
func (p *program) report(ctx context.Context, s *shop, id, done string) error {
	o, err := s.flow.Order(ctx, id)
	if err != nil {
		return err
	}
	next := []step{}
	for _, n := range s.flow.Next(o) {
		if n.Action != checkout.Decide {
			next = append(next, step{string(n.Action), n.At, n.Reason})
		}
	}
	if p.options.json {
		err = p.printJSON(outcome{id, done, next})
	} else {
		err = p.say("%s: %s", cell(id), done)
		for _, n := range next {
			if err == nil {
				err = p.say("  a process of the shop does next: %s, %s, because %s", n.Action, due(n.At), cell(n.Reason))
			}
		}
	}
	if err == nil && len(next) > 0 {
		p.carriedOut(s)
	}
	return err
}

func due(at time.Time) string {
	if at.IsZero() {
		return "within a minute"
	}
	return "at " + when(at)
}

// resolutions are the decisions by their words on the command line.
var resolutions = map[string]struct {
	resolution checkout.Resolution
	done       string
}{
	"retry":         {checkout.Retry, "what failed is tried again"},
	"fulfil-anyway": {checkout.FulfilAnyway, "the payment is accepted as it is"},
	"give-up":       {checkout.GiveUp, "the order is given up, and the stock that it held is back; the money stays until you refund it"},
}

var resolveCommand = command{
	name: "orders resolve", args: "ORDER retry|fulfil-anyway|give-up", short: "record a decision about an order that is stuck",
	long: `
Records a decision, which the shop's own processes carry out at their next sweep, within a minute:

  retry          tries again what failed: handing the order over, a change, stock that was short, an automatic refund
  fulfil-anyway  accepts the payment as it is. Stock that is there is sold; stock that is missing is yours to find.
  give-up        the order is not handed over, and the stock that it holds is back. It asks for a confirmation, or -yes. The
                 money stays until you refund it, and a subscription goes on until you cancel it.

retry and fulfil-anyway withdraw an automatic refund of the payment that counts, if it was not made yet. With -json, the
object has the members order, done and next.`,
	setup: func(p *program, flags *flag.FlagSet) action {
		yes := flags.Bool("yes", false, "give up without a confirmation")
		return func(ctx context.Context, args []string) error {
			if len(args) != 2 || resolutions[args[1]].resolution == "" {
				return usagef("orders resolve takes an order and retry, fulfil-anyway or give-up")
			}
			return p.resolve(ctx, args[0], args[1], *yes)
		}
	},
}

func (p *program) resolve(ctx context.Context, id, word string, yes bool) error {
	s, err := p.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	o, err := s.flow.Order(ctx, id)
	if err != nil {
		return err
	}
	r := resolutions[word]
	if r.resolution == checkout.GiveUp {
		if err := p.confirm(ctx, yes, o.ID, "Order %s over %s will not be handed over.", cell(o.ID), total(o)); err != nil {
			return err
		}
	}
	if err := s.flow.Resolve(ctx, o.ID, r.resolution); err != nil {
		return err
	}
	return p.report(ctx, s, o.ID, r.done)
}

var cancelCommand = command{
	name: "orders cancel", args: "ORDER", short: "cancel an order that is not paid",
	long: `
Ends the order's session, so that it can no longer be paid, and gives its stock back. It asks for a confirmation, or -yes. If the
customer pays first, nothing is canceled. If Stripe does not answer, the wish is recorded, and the shop's processes carry it out.`,
	setup: func(p *program, flags *flag.FlagSet) action {
		yes := flags.Bool("yes", false, "cancel without a confirmation")
		return func(ctx context.Context, args []string) error {
			if len(args) != 1 {
				return usagef("orders cancel takes one order")
			}
			return p.cancel(ctx, args[0], *yes)
		}
	},
}

func (p *program) cancel(ctx context.Context, id string, yes bool) error {
	s, err := p.open(ctx, needsStripe)
	if err != nil {
		return err
	}
	defer s.close()
	o, err := s.flow.Order(ctx, id)
	if err != nil {
		return err
	}
	if err := p.confirm(ctx, yes, o.ID, "Order %s over %s can't be paid anymore then.", cell(o.ID), total(o)); err != nil {
		return err
	}
	if err := s.flow.Cancel(ctx, o.ID); err != nil {
		return err
	}
	return p.report(ctx, s, o.ID, "the order is canceled")
}

// refundOptions say what orders refund gives back.
type refundOptions struct {
	amount, invoice, key string
	attempt              int
	restock, yes         bool
}

var refundCommand = command{
	name: "orders refund", args: "ORDER", short: "give money back, with or without putting the goods back into stock",
	long: `
Gives back what is left of the payment, or -amount of it. It asks for a confirmation, or -yes. Stripe can't take a refund back.

The same command again within a day refunds nothing more: Stripe gets an idempotency key of the order, the attempt or invoice, the
amount and -key. To give the same amount back once more, name another -key. With -restock, the goods are put back into stock, at most
once for an order. Of an order that was paid twice, -attempt names the payment to give back. Of an order with several invoices,
-invoice names the one to give back; the subscription goes on.`,
	setup: func(p *program, flags *flag.FlagSet) action {
		var o refundOptions
		flags.StringVar(&o.amount, "amount", "", "how much, like `19.99`, in the currency of the order; default: all that is left")
		flags.IntVar(&o.attempt, "attempt", 0, "the `NUMBER` of the attempt whose payment is given back; default: the one that counts")
		flags.StringVar(&o.invoice, "invoice", "", "the `ID` of the invoice whose payment is given back (in_…)")
		flags.StringVar(&o.key, "key", "", "a `TEXT` that tells this refund from others of the same amount")
		flags.BoolVar(&o.restock, "restock", false, "put the goods of the order back into stock")
		flags.BoolVar(&o.yes, "yes", false, "refund without a confirmation")
		return func(ctx context.Context, args []string) error {
			if len(args) != 1 {
				return usagef("orders refund takes one order")
			}
			return p.refund(ctx, args[0], o)
		}
	},
}

func (p *program) refund(ctx context.Context, id string, r refundOptions) error {
	if len(r.key) > 60 {
		return usagef("-key has at most 60 bytes")
	}
	s, err := p.open(ctx, needsStripe)
	if err != nil {
		return err
	}
	defer s.close()
	o, err := s.flow.Order(ctx, id)
	if err != nil {
		return err
	}
	wanted := checkout.Refund{Attempt: r.attempt, Invoice: r.invoice, Restock: r.restock}
	left, currency, err := refundable(o, wanted)
	if err != nil {
		return err
	}
	minor, text, err := r.parse(left, currency)
	if err != nil {
		return err
	}
	err = p.confirm(ctx, r.yes, o.ID, "%s of order %s go back to the customer. So far %s were given back, and %s are left.",
		text, cell(o.ID), checkout.FormatAmount(refunded(o), currency), checkout.FormatAmount(left, currency))
	if err != nil {
		return err
	}
	before := len(o.Refunds)
	// The key is that of the command and not of the state, so that a command that is repeated refunds nothing more.
	wanted.Amount, wanted.Key = minor, fmt.Sprintf("command/%d/%s", cmp.Or(minor, left), r.key)
	if err := s.flow.Refund(ctx, o.ID, wanted); err != nil {
		return err
	}
	if o, err = s.flow.Order(ctx, id); err != nil {
		return err
	}
	done := text + " were refunded"
	if len(o.Refunds) == before {
		done = "nothing more was refunded, as the same command ran before; name another -key to refund " + text + " once more"
	}
	if r.restock && !o.RestockedAt.IsZero() {
		done += ", and the goods are back in stock since " + when(o.RestockedAt)
	}
	return p.report(ctx, s, o.ID, done)
}

// refundable returns what is left of the payment that is given back, and its currency. Of several invoices one must be named, as a
// person would not know which.
func refundable(o *store.Order, r checkout.Refund) (left int64, currency string, err error) {
	left, currency, err = r.Left(o)
	a := o.PaidAttempt()
	if r.Attempt != 0 {
		a = o.Attempt(r.Attempt)
	}
	switch {
	case r.Attempt != 0 && o.Paid() && errors.Is(err, checkout.ErrNotPaid):
		return 0, "", usagef("the order has no payment of attempt %d: fulfil orders show lists the attempts", r.Attempt)
	case r.Invoice != "" && errors.Is(err, checkout.ErrNotFound):
		return 0, "", usagef("the order has no invoice %q: fulfil orders show lists them", r.Invoice)
	case err == nil && r.Invoice == "" && invoices(o, a) > 1:
		return 0, "", usagef("the order has %d invoices: name the one to give back with -invoice; fulfil orders show lists them", invoices(o, a))
	}
	return left, currency, err
}

// invoices is the number of invoices of the subscription that an attempt began.
func invoices(o *store.Order, a *store.Attempt) (n int) {
	for _, inv := range o.Invoices {
		if inv.Subscription == a.Subscription {
			n++
		}
	}
	return n
}

// refunded is the sum of all refunds of the order that count.
func refunded(o *store.Order) (sum int64) {
	for _, r := range o.Refunds {
		if r.State != store.RefundFailed && r.State != store.RefundCanceled {
			sum += r.Amount
		}
	}
	return sum
}

// parse returns the amount in minor units, and as a text. Zero is all that is left.
func (r refundOptions) parse(left int64, currency string) (minor int64, text string, err error) {
	if r.amount == "" {
		return 0, checkout.FormatAmount(left, currency), nil
	}
	number, named, _ := strings.Cut(strings.TrimSpace(r.amount), " ")
	amount, err := checkout.ParseAmount(number, currency)
	switch {
	case named != "" && !strings.EqualFold(named, currency):
		return 0, "", usagef("-amount is in %s, and the order is in %s", strings.ToUpper(named), strings.ToUpper(currency))
	case errors.Is(err, checkout.ErrAmountPrecision):
		return 0, "", usagef("-amount has more decimals than %s", strings.ToUpper(currency))
	case err != nil || amount.Minor() <= 0:
		return 0, "", usagef("-amount is a number above zero such as 19.99, with a point and without a currency")
	}
	return amount.Minor(), amount.String(), nil
}
