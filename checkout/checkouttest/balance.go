package checkouttest

import (
	"maps"
	"slices"
	"time"
)

// capturedAfter is the time after which an asynchronous capture has its balance transaction: charge.updated comes two to three
// seconds after charge.succeeded. https://docs.stripe.com/payments/payment-intents/asynchronous-capture
const capturedAfter = 2 * time.Second

// paymentFee is the fee of a payment: 2.9 % and 30 minor units of its currency, rounded half up. It is that of a US account
// for a card of its country; accounts elsewhere have other fees. https://stripe.com/pricing
func paymentFee(amount int64) int64 { return (amount*29+500)/1000 + 30 }

// capture takes the money of a charge that has succeeded. An asynchronous capture books the money a moment later.
func (s *Server) capture(sess *session, ch object, asynchronous bool) {
	ch["captured"], ch["amount_captured"] = true, ch["amount"]
	if !asynchronous {
		s.bookCharge(sess, ch)
		return
	}
	s.schedule(s.Now().Add(capturedAfter), func() {
		was := maps.Clone(ch)
		s.bookCharge(sess, ch)
		s.emitChange("charge.updated", ch, was, nil)
	})
}

// bookCharge adds the money of a captured charge to the balance.
func (s *Server) bookCharge(sess *session, ch object) {
	amount := ch["amount_captured"].(int64)
	txn := s.newBalanceTransaction("charge", "charge", ch, amount, paymentFee(amount))
	if card := cardOf(ch); card != nil && card.available { // https://docs.stripe.com/testing#available-balance
		txn["available_on"], txn["status"] = txn["created"], "available"
	}
	s.keep(sess, txn)
	ch["balance_transaction"] = txn["id"]
}

// retrieveBalance adds up the movements of the account's balance: https://docs.stripe.com/api/balance/balance_object
func (s *Server) retrieveBalance(c *call) (object, *apiError) {
	sums := map[string]map[string]int64{"available": {"usd": 0}, "pending": {"usd": 0}}
	for _, txn := range s.byKind["balance_transaction"] {
		if s.accountOf(txn) != c.account {
			continue
		}
		state := "pending"
		if txn["available_on"].(int64) <= s.Now().Unix() {
			state = "available"
		}
		sums[state][txn.str("currency")] += txn["net"].(int64)
	}
	funds := func(state string) []any {
		shown := []any{}
		for _, currency := range slices.Sorted(maps.Keys(sums[state])) {
			shown = append(shown, object{"amount": sums[state][currency], "currency": currency, "source_types": object{"card": sums[state][currency]}})
		}
		return shown
	}
	return object{"object": "balance", "available": funds("available"), "livemode": false, "pending": funds("pending")}, nil
}

// newBalanceTransaction makes a movement of the account's balance. Positive amounts come in. The fee is subtracted.
// https://docs.stripe.com/api/balance_transactions/object
func (s *Server) newBalanceTransaction(category, typ string, of object, amount, fee int64) object {
	now := s.Now()
	details := []object{}
	if fee != 0 {
		what := "Dispute fee"
		if category == "charge" {
			what = "Stripe processing fees"
		}
		details = append(details, object{"amount": fee, "application": nil, "currency": of["currency"], "description": what, "type": "stripe_fee"})
	}
	return object{
		"id": s.newID("txn_3", 23), "object": "balance_transaction", "amount": amount, "available_on": now.AddDate(0, 0, 7).Unix(),
		"balance_type": "payments", "created": now.Unix(), "currency": of["currency"], "description": of["description"], "exchange_rate": nil, "fee": fee,
		"fee_details": details, "net": amount - fee, "reporting_category": category, "source": of["id"], "status": "pending", "type": typ,
	}
}
