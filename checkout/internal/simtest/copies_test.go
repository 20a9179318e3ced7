package simtest

import (
	"context"
	"slices"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

const otherAccount = "another account"

// foreign reports whether a session is one of those that carry copied marks.
func (w *world) foreign(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.sessions, func(s *simSession) bool { return s.id == id && s.foreign })
}

// copyMarks has somebody else sell something for less by a real session, on the account of an order or on another one, that
// carries all the metadata of a session of the order.
func (w *world) copyMarks(ctx context.Context, o op) {
	w.mu.Lock()
	var own []*simSession
	for _, s := range w.sessions {
		if s.order == o.order && !s.foreign {
			own = append(own, s)
		}
	}
	w.mu.Unlock()
	if len(own) == 0 {
		return
	}
	original := own[max(len(own)-1-o.n, 0)]
	client, account := w.srv.Client(), w.account(o.order)
	get := &stripe.CheckoutSessionRetrieveParams{}
	setAccount(get, account)
	answer, err := client.V1CheckoutSessions.Retrieve(context.Background(), original.id, get)
	if err != nil {
		return // the faults of Stripe hit others, too
	}
	where := "the same account"
	if o.dice%4 == 0 {
		account, where = "acct_other", otherAccount
	}
	params := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("payment"), ClientReferenceID: stripe.String(o.order), SuccessURL: stripe.String("https://other.example/"),
		Metadata: answer.Metadata,
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency: stripe.String("usd"), UnitAmount: stripe.Int64(199),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("Sticker")},
			},
		}},
	}
	setAccount(params, account)
	times := 1
	if o.dice%16 == 1 && !w.trouble.broken && !w.trouble.losses {
		times = 12 // more than an order records; each event of a locked order takes a sweep half a minute
	}
	for range times {
		w.sellCopy(ctx, o.order, original, params, where)
	}
}

func (w *world) sellCopy(ctx context.Context, order string, original *simSession, params *stripe.CheckoutSessionCreateParams, where string) {
	w.sched.wait(actorOf(ctx).name, "create a copy") // a replay takes turns where one actor does several things at Stripe
	session, err := w.srv.Client().V1CheckoutSessions.Create(context.Background(), params)
	if err != nil {
		return
	}
	copied := w.session(session.ID, order, original.attempt+" copied")
	w.mu.Lock()
	copied.foreign, copied.elsewhere = true, where == otherAccount
	w.mu.Unlock()
	w.sched.wait(actorOf(ctx).name, "pay the copy")
	err = w.srv.Pay(session.ID, checkouttest.CardOK)
	w.say(ctx, "%v on %s: %v", copied, where, err)
	if err == nil {
		w.met("copied marks on " + where)
	}
}
