package simtest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// plan is what is to happen in a history, all of it drawn from a seed.
type plan struct {
	seed   uint64
	orders int
	crowd  int     // operations at once
	sticky float64 // how often whose turn it was has the next turn too
	leaks  bool    // customers may pay sessions whose URL nobody was given; only webhooks then tell of it
	deaf   bool    // webhooks are not delivered at the end either
	refund bool    // what can't be fulfilled is refunded at once
	scarce bool    // all want the same one thing, and a person decides often
	ops    []op
	apart  time.Duration // how far the clock of the second process is ahead of that of the first
	// payloads are the forms that events have.
	payloads checkouttest.Payloads
	// trouble is what this history has beside the common misfortunes.
	trouble trouble
	subscriptions
	odds
}

// trouble are misfortunes that only some histories have, as each of them changes what is to be expected.
type trouble struct {
	captures   bool   // cards are only authorized, and the merchant captures or cancels
	recoveries bool   // customers pay copies of expired sessions
	copies     bool   // others sell with copied marks of an order
	losses     bool   // the database goes back to a backup
	broken     bool   // rows can't be read, or are locked by somebody
	forever    bool   // and stay so to the end
	account    string // the connected account that orders with an even number are on
}

// odds are the chances of what goes wrong.
type odds struct {
	deliveries float64 // of each kind of fault, for each delivery
	requests   float64 // of each kind of fault, for each request to Stripe
	callbacks  float64 // that a callback fails, panics, is slow
	crash      float64 // that a process dies, for each step
	gone       float64 // that a caller goes away, for each step
	commits    float64 // that a transaction commits and the answer is lost
	swallowed  float64 // that the database ends a callback's transaction, and the callback returns nil
}

type opKind string

const (
	opBegin      opKind = "begin"
	opPay        opKind = "pay"
	opDecline    opKind = "decline"
	opDebit      opKind = "debit"
	opBank       opKind = "bank"
	opCancel     opKind = "cancel"
	opRefund     opKind = "refund"
	opRefundFail opKind = "refund fails"
	opDispute    opKind = "dispute"
	opVerdict    opKind = "verdict"
	opAdvance    opKind = "advance"
	opSweep      opKind = "sweep"
	opStatus     opKind = "status"
	opFlush      opKind = "flush"
	opRedeliver  opKind = "redeliver"
	opStranger   opKind = "stranger"
	opResolve    opKind = "resolve"
	opSkew       opKind = "skew"
	opReceiver   opKind = "receiver"
	opErase      opKind = "erase"
	opForge      opKind = "forge"
	opCapture    opKind = "capture"
	opRecover    opKind = "recover"
	opCopy       opKind = "copy"
	opBackup     opKind = "backup"
	opRestore    opKind = "restore"
	opBreak      opKind = "break"
	opMend       opKind = "mend"
	opTake       opKind = "take"
	opJam        opKind = "jam"
)

// op is one thing that somebody does. N and dice draw what exactly.
type op struct {
	kind  opKind
	order string
	n     int
	dice  uint64
	proc  int
	d     time.Duration
	// quiet: it begins once nothing else goes on. rushes: it begins at once, whatever goes on.
	quiet, rushes bool
}

func (o op) String() string { return fmt.Sprintf("%s %s", o.kind, o.order) }

// often says how often each kind of operation is drawn; those of a trouble only in histories that have it.
var often = []struct {
	kind   opKind
	weight int
}{
	{opBegin, 30}, {opPay, 14}, {opDecline, 2}, {opDebit, 6}, {opBank, 6}, {opCancel, 4}, {opRefund, 5}, {opRefundFail, 2},
	{opDispute, 2}, {opVerdict, 2}, {opAdvance, 16}, {opSweep, 10}, {opStatus, 6}, {opFlush, 6}, {opRedeliver, 3},
	{opStranger, 1}, {opResolve, 5}, {opSkew, 1}, {opReceiver, 2},
	{opErase, 2}, {opForge, 4},
	{opCapture, 12}, {opRecover, 8}, {opCopy, 6}, {opBackup, 6}, {opRestore, 5}, {opBreak, 4}, {opMend, 4},
}

// has reports whether a kind of operation happens in histories with this trouble.
func (t trouble) has(kind opKind) bool {
	switch kind {
	case opCapture:
		return t.captures
	case opRecover:
		return t.recoveries
	case opCopy:
		return t.copies
	case opBackup, opRestore:
		return t.losses
	case opBreak, opMend:
		return t.broken
	}
	return true
}

var jumps = []time.Duration{
	time.Second, 20 * time.Second, time.Minute, 3 * time.Minute, 10 * time.Minute, 21 * time.Minute, 32 * time.Minute,
	2 * time.Hour, 5 * time.Hour, 25 * time.Hour,
}

func newPlan(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 1))
	oneOf := func(chances ...float64) float64 { return chances[r.IntN(len(chances))] }
	p := plan{
		seed: seed, orders: 1 + r.IntN(3), crowd: 1 + r.IntN(4), sticky: oneOf(0, 0.5, 0.9),
		leaks: r.IntN(8) == 0, deaf: r.IntN(4) == 0,
		odds: odds{
			deliveries: oneOf(0, 0.01, 0.05), requests: oneOf(0, 0.01, 0.03, 0.06), callbacks: oneOf(0, 0.1, 0.3),
			crash: oneOf(0, 0.003, 0.01), gone: oneOf(0, 0.003),
		},
	}
	p.trouble = trouble{
		captures: r.IntN(4) == 0, recoveries: r.IntN(4) == 0, copies: r.IntN(4) == 0, losses: r.IntN(4) == 0, broken: r.IntN(4) == 0,
		forever: r.IntN(2) == 0, account: [...]string{"", "", "acct_1"}[r.IntN(3)],
	}
	p.swallowed, p.refund = oneOf(0, 0, 0.1), r.IntN(4) == 0
	if p.refund && r.IntN(2) == 0 { // payments that are refunded are rare otherwise
		p.leaks, p.scarce, p.orders = true, true, max(p.orders, 2)
	}
	p.deaf = p.deaf && !p.heard()
	total := 0
	for _, k := range often {
		if p.trouble.has(k.kind) {
			total += k.weight
		}
	}
	for range 15 + r.IntN(30) {
		draw, o := r.IntN(total), op{order: fmt.Sprintf("order-%d", 1+r.IntN(p.orders)), dice: r.Uint64(), proc: r.IntN(2)}
		for _, k := range often {
			if !p.trouble.has(k.kind) {
				continue
			}
			if draw -= k.weight; draw < 0 {
				o.kind = k.kind
				break
			}
		}
		if r.IntN(3) == 0 {
			o.n = 1 + r.IntN(2)
		}
		if p.scarce {
			o.kind = [...]opKind{o.kind, o.kind, o.kind, o.kind, o.kind, o.kind, o.kind, opTake, opResolve, opResolve}[r.IntN(10)]
		}
		o.d = jumps[r.IntN(len(jumps))]
		if p.trouble.captures && o.dice%16 == 0 {
			o.d = 8 * 24 * time.Hour // an authorization lapses after seven days
		}
		p.ops = append(p.ops, o)
	}
	if p.scarce {
		p.crowd, p.ops = max(p.crowd, 2), append(late(r), p.ops...)
	}
	p.commits = oneOf(0, 0.002, 0.01)
	p.apart = [...]time.Duration{0, 0, -2 * time.Minute, -time.Minute, time.Minute, 2 * time.Minute}[r.IntN(6)]
	if !p.heard() && r.IntN(8) == 0 {
		p.ops = append(outage(r), p.ops...)
	}
	if r.IntN(5) == 0 {
		p.ops = append(p.rush(r), p.ops...)
	}
	p.payloads = [...]checkouttest.Payloads{checkouttest.Snapshot, checkouttest.Snapshot, checkouttest.Thin, checkouttest.Both}[r.IntN(4)]
	p.addSubscriptions(*simSubscriptions)
	return p
}

// late has a customer pay for what a person took away from them and another customer bought, and has the person decide about
// that while sweeps give the money back.
func late(r *rand.Rand) []op {
	const cart, card, anyway = 7, 4, 1 // dice of the usual cart, of a card that works, and of FulfilAnyway
	ops := []op{
		{kind: opBegin, order: "order-1", dice: cart}, {kind: opTake, order: "order-1", quiet: true},
		{kind: opBegin, order: "order-2", dice: cart, quiet: true}, {kind: opPay, order: "order-1", dice: card, quiet: true},
	}
	for range 3 {
		ops = append(ops, op{kind: opSweep, proc: r.IntN(2), quiet: true}, op{kind: opResolve, order: "order-1", dice: anyway, proc: r.IntN(2)})
	}
	return ops
}

// outage has the money of a payment go back while the shop receives no events, and all of that be heard of hours later.
func outage(r *rand.Rand) []op {
	const cart, off, on, card, all = 7, 0, 1, 4, 0 // dice of the usual cart, and of what is to come of the others
	back := [...]opKind{opRefund, opDispute}[r.IntN(2)]
	return []op{
		{kind: opBegin, order: "order-1", dice: cart}, {kind: opReceiver, dice: off, quiet: true},
		{kind: opPay, order: "order-1", dice: card, quiet: true}, {kind: back, order: "order-1", dice: all, quiet: true},
		{kind: opAdvance, d: 2 * time.Hour, quiet: true}, {kind: opReceiver, dice: on, quiet: true},
		{kind: opAdvance, d: 5 * time.Hour, quiet: true},
	}
}

// cart is what the customer of an order wants: mostly the same, at times something else.
func (p plan) cart(o op) checkout.Session {
	if s, ok := p.signUps[o.order]; ok {
		return p.club(o, s)
	}
	carts := [...][]string{{"tee"}, {"last"}, {"tee", "last"}, {"tee", "tee"}, {""}}
	choice := mix(uint64(o.order[len(o.order)-1]))
	switch {
	case p.trouble.recoveries:
		choice = 4 // only a cart without stock can be recovered
	case p.scarce:
		choice = 1
	}
	if o.dice%5 < 2 {
		choice = o.dice / 5
	}
	s := cartOf(o.order, carts[choice%uint64(len(carts))]...)
	s.HoldFor = [...]time.Duration{0, 20 * time.Minute, 20 * time.Minute, 2 * time.Hour}[o.dice/7%4]
	s.ManualCapture, s.Connect.Account = p.trouble.captures, p.account(o.order)
	if p.trouble.recoveries && s.Lines[0].SKU == "" {
		s.Params = func(params *stripe.CheckoutSessionCreateParams) {
			params.AfterExpiration = &stripe.CheckoutSessionCreateAfterExpirationParams{
				Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(true)},
			}
		}
	}
	return s
}

// heard reports whether there are payments that only events tell of, so that each event must have a receiver.
func (p plan) heard() bool { return p.leaks || p.trouble.recoveries || p.trouble.copies }

// account is the connected account that an order is on; empty: the merchant's own.
func (p plan) account(order string) string {
	if order[len(order)-1]%2 == 0 {
		return p.trouble.account
	}
	return ""
}

// stripeFaults are what goes wrong on the way to and from Stripe.
func (p plan) stripeFaults() []checkouttest.Fault {
	var faults []checkouttest.Fault
	add := func(chance float64, some ...checkouttest.Fault) {
		for _, f := range some {
			if chance > 0 {
				faults = append(faults, f.Chance(p.seed, chance))
			}
		}
	}
	add(p.deliveries, checkouttest.Delay(10*time.Second), checkouttest.Delay(50*time.Hour), checkouttest.Duplicate(2),
		checkouttest.Concurrent(2), checkouttest.Truncate(), checkouttest.BadSignature(), checkouttest.Stale(time.Hour))
	add(4*p.deliveries, checkouttest.Drop(), checkouttest.Reorder(p.seed), checkouttest.APIVersion("2020-08-27"))
	add(p.requests, checkouttest.RateLimit(time.Second), checkouttest.ServerError(), checkouttest.ServerError().AfterWrite(),
		checkouttest.Reset(), checkouttest.Reset().AfterWrite(), checkouttest.Latency(2*time.Second),
		checkouttest.Latency(3*time.Minute).AfterWrite())
	return faults
}
