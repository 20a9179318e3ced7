package checkouttest

// bookCharge adds the money of a captured charge to the balance. This server charges no fee for payments.
func (s *Server) bookCharge(sess *session, ch object) {
	txn := s.newBalanceTransaction("charge", "charge", ch, ch["amount_captured"].(int64), 0)
	s.keep(sess, txn)
	ch["balance_transaction"] = txn["id"]
}

// newBalanceTransaction makes a movement of the account's balance. Positive amounts come in. The fee is subtracted.
// https://docs.stripe.com/api/balance_transactions/object
func (s *Server) newBalanceTransaction(category, typ string, of object, amount, fee int64) object {
	now := s.Now()
	details := []object{}
	if fee != 0 {
		details = append(details, object{"amount": fee, "application": nil, "currency": of["currency"], "description": "Dispute fee", "type": "stripe_fee"})
	}
	return object{
		"id": s.newID("txn_3", 23), "object": "balance_transaction", "amount": amount, "available_on": now.AddDate(0, 0, 7).Unix(),
		"balance_type": "payments", "created": now.Unix(), "currency": of["currency"], "description": nil, "exchange_rate": nil, "fee": fee,
		"fee_details": details, "net": amount - fee, "reporting_category": category, "source": of["id"], "status": "pending", "type": typ,
	}
}
