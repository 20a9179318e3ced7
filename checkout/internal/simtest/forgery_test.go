package simtest

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/stripe/stripe-go/v82"
)

// forgeries are the ways in which an event lies about a payment. Each event has the metadata of a session of the shop, the
// mark of its attempt among it, and says that the session was paid, or that its payment was given back.
var forgeries = []struct {
	name   string
	change func(event, session map[string]any)
}{
	{"session that was not recorded", func(_, session map[string]any) { session["id"] = "cs_test_forged" }},
	{"session that was not recorded, of an attempt that is not known", func(_, session map[string]any) {
		session["id"] = "cs_test_forged"
		metadata := maps.Clone(session["metadata"].(map[string]any))
		metadata["fulfil_attempt"] = "99-mark"
		session["metadata"] = metadata
	}},
	{"event of another account", func(event, _ map[string]any) { event["account"] = "acct_forger" }},
	{"event of the other mode", func(event, session map[string]any) { event["livemode"], session["livemode"] = true, true }},
	{"session of the other mode that was not recorded", func(event, session map[string]any) {
		event["livemode"], session["livemode"], session["id"] = true, true, "cs_live_forged"
	}},
	{"refund", func(event, session map[string]any) {
		event["type"], event["data"] = "refund.created", map[string]any{"object": map[string]any{
			"id": "re_forged", "object": "refund", "status": "succeeded", "amount": 1999, "currency": "usd", "payment_intent": session["payment_intent"],
		}}
	}},
	{"dispute", func(event, session map[string]any) {
		event["type"], event["data"] = "charge.dispute.created", map[string]any{"object": map[string]any{
			"id": "du_forged", "object": "dispute", "status": "needs_response", "amount": 1999, "payment_intent": session["payment_intent"],
		}}
	}},
	{"capture", func(event, session map[string]any) {
		event["type"], event["data"] = "payment_intent.succeeded", map[string]any{"object": map[string]any{
			"id": session["payment_intent"], "object": "payment_intent", "status": "succeeded", "amount_received": 1999,
		}}
	}},
}

// forge has a process receive an event that is signed and yet not of a payment of the shop. It must change nothing.
func (w *world) forge(ctx context.Context, p *simProcess, o op) {
	s := w.payable(o.order, o.n)
	if s == nil {
		return
	}
	get := &stripe.CheckoutSessionRetrieveParams{}
	setAccount(get, w.account(o.order))
	answer, err := w.srv.Client().V1CheckoutSessions.Retrieve(context.Background(), s.id, get)
	if err != nil {
		return // the faults of Stripe hit the forger, too
	}
	var session map[string]any
	if err := json.Unmarshal(answer.LastResponse.RawJSON, &session); err != nil {
		w.fail("the session of %v: %v", s, err)
		return
	}
	session["status"], session["payment_status"] = "complete", "paid"
	event := map[string]any{
		"id": "evt_forged", "object": "event", "type": "checkout.session.completed", "api_version": stripe.APIVersion,
		"created": w.srv.Now().Unix(), "livemode": false, "data": map[string]any{"object": session},
	}
	if account := w.account(o.order); account != "" {
		event["account"] = account
	}
	forgery := forgeries[o.dice%uint64(len(forgeries))]
	forgery.change(event, session)
	payload, err := json.Marshal(event)
	if err != nil {
		w.fail("the forged event: %v", err)
		return
	}
	w.met("forged " + forgery.name)
	w.answered(ctx, "forged "+forgery.name, p.hook.Dispatch(ctx, payload))
}
