package simtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

var simSubscriptions = flag.Float64("subscriptions", 0.1, "share of the histories in which orders begin subscriptions, from 0 to 1")

// What happens to subscriptions, beside the operations of other orders. Payments of a subscription are refunded and disputed
// as those of other orders are.
const (
	opMonths  opKind = "time passes with sweeps"
	opMethod  opKind = "another payment method"
	opPlan    opKind = "change of plan"
	opEnding  opKind = "end at stripe"
	opCollect opKind = "pause of payments"
	opInvoice opKind = "invoice paid by hand"
	opTrial   opKind = "end of a trial"
	opAgain   opKind = "event again"
)

// oftenOfSubscriptions is often for the orders that begin subscriptions.
var oftenOfSubscriptions = []struct {
	kind   opKind
	weight int
}{
	{opMonths, 10}, {opMethod, 5}, {opPlan, 4}, {opEnding, 4}, {opCollect, 2}, {opInvoice, 2}, {opTrial, 1},
	{opRefund, 4}, {opDispute, 3}, {opRefundFail, 1}, {opVerdict, 2}, {opBegin, 1}, {opPay, 2}, {opErase, 1},
	{opBank, 2},
}

// spans are the times that pass with sweeps.
var spans = []time.Duration{2 * day, 3 * day, 4 * day, 8 * day, 16 * day, 32 * day}

const day = 24 * time.Hour

// subscriptions is what a history has of subscriptions.
type subscriptions struct {
	// signUps are the orders that begin subscriptions, and how.
	signUps map[string]signUp
	dunning checkouttest.DunningEnd
	// debitActivates has a subscription begin before its first debit arrives.
	debitActivates bool
	// vanish is the chance that an event of a subscription or an invoice is acknowledged by somebody who does nothing about it.
	vanish float64
	// calm says that nothing goes wrong in the history and one thing happens after the other, so that the merchant must be told of each failed payment and each end of a
	// trial. Otherwise a failed try of which nobody heard before the next is left out.
	calm bool
}

// signUp is what the customer of an order subscribes to.
type signUp struct {
	interval checkout.Interval
	trial    int64 // days; 0: there is none
	// end is what becomes of a trial without a payment method, which is then not asked for; empty: it is.
	end string
	kit bool // a piece of goods comes with the first period
}

func (s subscriptions) subscribing() bool { return len(s.signUps) > 0 }

// passesTime reports whether an operation moves the clock.
func (o op) passesTime() bool { return o.kind == opAdvance || o.kind == opMonths }

// sweeps reports whether an operation sweeps.
func (o op) sweeps() bool { return o.kind == opSweep || o.kind == opMonths }

// addSubscriptions has some orders of the history begin subscriptions, to which things happen over months. It draws apart from
// the rest of the plan, so that other histories stay as they are.
func (p *plan) addSubscriptions(share float64) {
	r := rand.New(rand.NewPCG(p.seed, 3))
	if r.Float64() >= share {
		return
	}
	p.signUps = map[string]signUp{}
	p.debitActivates = p.seed%3 == 0
	p.dunning = [...]checkouttest.DunningEnd{checkouttest.DunningCancels, checkouttest.DunningCancels, checkouttest.DunningMarksUnpaid, checkouttest.DunningLeavesPastDue}[r.IntN(4)]
	var first []op
	var orders []string
	for n := range p.orders {
		id := fmt.Sprintf("order-%d", n+1)
		begunLate := p.scarce && n < 2 // by late, for the last piece of goods
		if n != p.orders-1 && r.IntN(2) == 0 && !(begunLate && n == 0) {
			continue
		}
		s := signUp{interval: checkout.IntervalMonth, kit: r.IntN(4) == 0 || begunLate}
		if r.IntN(4) == 0 {
			s.interval = checkout.IntervalWeek
		}
		if r.IntN(2) == 0 {
			s.trial = [...]int64{2, 7, 14}[r.IntN(3)]
			s.end = [...]string{"", "", "cancel", "pause", "create_invoice"}[r.IntN(5)]
		}
		p.signUps[id], orders = s, append(orders, id)
		if r.IntN(8) > 0 && !begunLate {
			first = append(first, op{kind: opBegin, order: id, dice: 7, proc: r.IntN(2)}, op{kind: opPay, order: id, dice: 4 + r.Uint64N(4), quiet: true})
			if s.trial == 0 && r.IntN(4) == 0 { // a debit, of which the bank says later that it is paid or not
				first[len(first)-1].kind = opDebit
				if r.IntN(2) == 0 {
					first = append(first, regret(r, id)...)
				}
				first = append(first, op{kind: opBank, order: id, dice: r.Uint64(), quiet: r.IntN(2) == 0})
			}
		}
	}
	p.calm, p.vanish = r.IntN(3) == 0, [...]float64{0, 0, 0.2, 0.7}[r.IntN(4)]
	if p.calm {
		p.odds = odds{callbacks: p.callbacks}
		p.trouble = trouble{account: p.trouble.account}
		p.leaks, p.deaf, p.scarce, p.apart, p.vanish = false, r.IntN(4) == 0, false, 0, 0
		p.crowd = 1 // nothing changes at Stripe while an event is on its way
	}
	var ops []op
	for _, o := range p.ops {
		if !p.calm || o.kind != opReceiver && o.kind != opSkew && o.kind != opTake && p.trouble.has(o.kind) {
			ops = append(ops, o)
		}
	}
	if len(ops) > 8 {
		ops = ops[:min(len(ops), 8+r.IntN(12))] // what happens to subscriptions takes its time
	}
	total := 0
	for _, k := range oftenOfSubscriptions {
		total += k.weight
	}
	for range 6 + r.IntN(10) {
		draw, o := r.IntN(total), op{order: orders[r.IntN(len(orders))], dice: r.Uint64(), proc: r.IntN(2), d: spans[r.IntN(len(spans))]}
		for _, k := range oftenOfSubscriptions {
			if draw -= k.weight; draw < 0 {
				o.kind = k.kind
				break
			}
		}
		if r.IntN(4) == 0 {
			o.n = 1
		}
		o.quiet = r.IntN(2) == 0
		at := r.IntN(len(ops) + 1)
		ops = append(ops[:at:at], append([]op{o}, ops[at:]...)...)
	}
	scenario := r.IntN(4)
	switch {
	case p.calm:
	case scenario == 0:
		p.crowd, p.sticky = 4, 0
		ops = append(rush(r, orders[0]), ops...)
	case scenario == 1 && !p.scarce:
		p.signUps[orders[0]] = signUp{interval: checkout.IntervalWeek}
		p.vanish = [...]float64{0.7, 1}[r.IntN(2)]
		ops = append(standstill(r, orders[0]), ops...)
	}
	p.ops = append(first, ops...)
}

// rush has a customer change their mind while events of the subscription are on their way.
func rush(r *rand.Rand, order string) []op {
	const withdraw, schedule = 2, 5 // dice of what is to come of the end
	var ops []op
	for n := range 8 {
		ops = append(ops, op{kind: opAgain, order: order, dice: r.Uint64(), proc: r.IntN(2)},
			op{kind: opEnding, order: order, dice: [...]uint64{schedule, withdraw}[n%2], proc: r.IntN(2)})
	}
	return ops
}

// regret has a customer end a subscription at once while its first debit is on its way. The sweep asks Stripe for the session then.
func regret(r *rand.Rand, order string) []op {
	const atOnce = 0 // dice of an end
	return []op{
		{kind: opEnding, order: order, dice: atOnce, quiet: true},
		{kind: opAdvance, d: jumps[r.IntN(len(jumps))], quiet: true},
		{kind: opSweep, proc: r.IntN(2), quiet: true},
	}
}

// standstill has nothing sweep while a weekly subscription is renewed twice, and then has the latest payment go back. All of that, and
// the sweeps that follow, takes less than the month for which Stripe lists events.
func standstill(r *rand.Rand, order string) []op {
	const latest = 5 // dice of a refund of the latest payment as a whole
	back := [...]opKind{opRefund, opDispute}[r.IntN(2)]
	return []op{
		{kind: opAdvance, d: 15 * day, quiet: true}, {kind: back, order: order, dice: latest, quiet: true},
		{kind: opMonths, order: order, d: 8 * day, proc: r.IntN(2), quiet: true},
	}
}

// club is what the customer of an order subscribes to: mostly the same, at times another number of seats.
func (p plan) club(o op, s signUp) checkout.Session {
	quantity := int64(1)
	if o.dice%5 == 0 {
		quantity = 2
	}
	session := cartOf(o.order)
	session.Mode = checkout.ModeSubscription
	session.Lines = []checkout.Line{{
		Name: "Tea club", UnitAmount: checkout.MustAmount("9", "usd"), Quantity: quantity, Recurring: checkout.Recurring{Interval: s.interval},
	}}
	if s.kit {
		sku := "tee"
		if p.scarce {
			sku = "last"
		}
		session.Lines = append(session.Lines, checkout.Line{SKU: sku, Name: "Item " + sku, UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1})
	}
	session.HoldFor = [...]time.Duration{0, 20 * time.Minute, 2 * time.Hour}[o.dice/7%3]
	session.Connect.Account = p.account(o.order)
	if s.trial == 0 {
		return session
	}
	session.Params = func(params *stripe.CheckoutSessionCreateParams) {
		params.SubscriptionData.TrialPeriodDays = stripe.Int64(s.trial)
		if s.end != "" {
			params.PaymentMethodCollection = stripe.String("if_required")
			params.SubscriptionData.TrialSettings = &stripe.CheckoutSessionCreateSubscriptionDataTrialSettingsParams{
				EndBehavior: &stripe.CheckoutSessionCreateSubscriptionDataTrialSettingsEndBehaviorParams{MissingPaymentMethod: stripe.String(s.end)},
			}
		}
	}
	return session
}
