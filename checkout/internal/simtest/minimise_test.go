package simtest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/gofulfil/fulfil/checkout/checkouttest"

	"github.com/gofulfil/fulfil/store"
)

// report shows the shortest history that still fails as a seed's does.
func report(t *testing.T, out outcomeOf) {
	t.Helper()
	full := newPlan(out.seed)
	p, runs := minimised(t, full, out.err)
	least := simulate(t, p, true)
	t.Errorf("seed %d: %v\n%d of %d operations fail after %d runs, with %+v:\n%s\n%v\nreplay it all with -run TestSimulation -seed=%d",
		out.seed, out.err, len(p.ops), len(full.ops), runs, p.odds, strings.Join(least.history, "\n"), least.err, out.seed)
}

// minimised drops what a history does not need to fail as it did: kinds of trouble first, then operations, half of them at a
// time and ever fewer.
func minimised(t *testing.T, p plan, failure error) (_ plan, runs int) {
	fails := func(less plan) bool {
		runs++
		err := simulate(t, less, false).err
		return err != nil && digits.ReplaceAllString(err.Error(), "") == digits.ReplaceAllString(failure.Error(), "")
	}
	for _, calm := range []func(*plan){
		func(p *plan) { p.deliveries = 0 }, func(p *plan) { p.requests = 0 }, func(p *plan) { p.callbacks = 0 },
		func(p *plan) { p.crash = 0 }, func(p *plan) { p.gone = 0 }, func(p *plan) { p.leaks = false }, func(p *plan) { p.deaf = false },
		func(p *plan) { p.apart = 0 }, func(p *plan) { p.payloads = checkouttest.Snapshot }, func(p *plan) { p.crowd = 1 }, func(p *plan) { p.sticky = 1 },
		func(p *plan) { p.commits = 0 }, func(p *plan) { p.swallowed = 0 }, func(p *plan) { p.refund = false },
		func(p *plan) { p.trouble.captures = false }, func(p *plan) { p.trouble.account = "" }, func(p *plan) { p.trouble.forever = false },
	} {
		less := p
		if calm(&less); fails(less) {
			p = less
		}
	}
	for size := max(len(p.ops)/2, 1); size > 0; size /= 2 {
		for at := 0; at < len(p.ops); {
			less := p
			less.ops = append(append([]op(nil), p.ops[:at]...), p.ops[min(at+size, len(p.ops)):]...)
			if fails(less) {
				p = less
			} else {
				at += size
			}
		}
	}
	return p, runs
}

var digits = regexp.MustCompile(`\d+`)

// describe is an order for a person who looks for what went wrong.
func describe(o *store.Order) []string {
	lines := []string{fmt.Sprintf("%s is %s: due %v, cancel %v, short %v, parked %q, given up %v, delivery %+v", o.ID, o.Status(),
		o.DueAt, o.CancelRequestedAt, o.Shortfall, o.Parked, o.GivenUpAt, o.Delivery)}
	for _, a := range o.Attempts {
		lines = append(lines, fmt.Sprintf("  attempt %d replaces %d, closed %v, completed %t paid %t failed %t expired %t duplicate %t, %s hold %s, increase %s, pay by %v, check %v",
			a.N, a.Replaces, a.ClosedAt, a.Completed, a.Paid, a.Failed, a.Expired, a.Duplicate, a.Mismatch, a.Hold.State, a.Increase.State, a.PayBy, a.CheckedAt))
	}
	for _, n := range o.Notices {
		lines = append(lines, fmt.Sprintf("  notice %d %s from %s to %s by %s, delivered %v", n.N, n.Kind, n.From, n.To, n.Cause, n.DeliveredAt))
	}
	for _, s := range o.Subscriptions {
		lines = append(lines, fmt.Sprintf("  subscription %+v", s))
	}
	for _, i := range o.Invoices {
		lines = append(lines, fmt.Sprintf("  invoice %+v", i))
	}
	return append(lines, fmt.Sprintf("  refunds %+v, disputes %+v", o.Refunds, o.Disputes))
}
