package checkouttest

// saveMethod saves the payment method of a session in setup mode, with a setup intent:
// https://docs.stripe.com/api/setup_intents/object
func (s *Server) saveMethod(sess *session) {
	now, data := s.Now().Unix(), sess.sent.Get("setup_intent_data")
	meta, _ := metadataOf(data.Get("metadata")) // newSession has checked it
	pm := s.keepMethod(sess, sess.method)
	id := s.newID("seti_1", 23)
	o := object{
		"id": id, "object": "setup_intent", "application": nil, "automatic_payment_methods": nil, "cancellation_reason": nil,
		"client_secret": s.newID(id+"_secret_", 25), "created": now, "customer": sess.object["customer"], "description": value(data.Get("description")),
		"flow_directions": nil, "last_setup_error": nil, "latest_attempt": nil, "livemode": false, "mandate": nil, "metadata": meta, "next_action": nil,
		"on_behalf_of": value(data.Get("on_behalf_of")), "payment_method": nil, "payment_method_configuration_details": nil,
		"payment_method_options": sess.object["payment_method_options"], "payment_method_types": sess.object["payment_method_types"],
		"single_use_mandate": nil, "status": "requires_payment_method", "usage": "off_session",
	}
	s.keep(sess, o)
	sess.object["setup_intent"] = id
	s.emit(sess, "setup_intent.created", o, nil)
	o["payment_method"], o["status"] = pm["id"], "succeeded"
	s.emit(sess, "setup_intent.succeeded", o, nil)
}
