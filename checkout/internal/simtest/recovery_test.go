package simtest

import (
	"context"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// recover has a customer follow the link of an expired session to a copy of it, and mostly pay the copy.
func (w *world) recover(ctx context.Context, o op) {
	s := w.payable(o.order, o.n)
	if s == nil {
		return
	}
	id, err := w.srv.Recover(s.id)
	w.say(ctx, "%v recovered: %v", s, err)
	if err != nil {
		return
	}
	w.met("session recovered")
	recovered := w.session(id, o.order, s.attempt+" recovered")
	w.mu.Lock()
	recovered.recovered, recovered.handed = true, true
	w.mu.Unlock()
	if o.dice%4 == 0 {
		return
	}
	method := checkouttest.CardOK
	if o.dice%4 == 1 {
		method = checkouttest.BankDebit
	}
	w.sched.wait(actorOf(ctx).name, "pay the recovered session")
	err = w.srv.Pay(id, method)
	w.say(ctx, "%v: %v", recovered, err)
	if err == nil {
		w.met("recovered session paid")
	}
}
