package checkouttest

import "maps"

// warnOfFraud has the card network report a payment as fraud. The warning moves no money.
// https://docs.stripe.com/api/radar/early_fraud_warnings/object
func (s *Server) warnOfFraud(ch object) {
	o := object{
		"id": s.newID("issfr_1", 23), "object": "radar.early_fraud_warning", "actionable": true, "charge": ch["id"], "created": s.Now().Unix(),
		"fraud_type": "made_with_stolen_card", "livemode": false, "payment_intent": ch["payment_intent"],
	}
	s.keep(s.ownerOf(ch), o)
	s.emitChange("radar.early_fraud_warning.created", o, nil, nil)
}

// settleWarnings records that nothing can be done any more about the warnings of a payment, which is disputed or refunded
// whole: https://docs.stripe.com/api/radar/early_fraud_warnings/object#early_fraud_warning_object-actionable
func (s *Server) settleWarnings(ch object) {
	for _, o := range s.byKind["radar.early_fraud_warning"] {
		if o["charge"] != ch["id"] || o["actionable"] == false {
			continue
		}
		was := maps.Clone(o)
		o["actionable"] = false
		s.emitChange("radar.early_fraud_warning.updated", o, was, nil)
	}
}
