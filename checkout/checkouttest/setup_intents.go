package checkouttest

// newSetupIntent returns the setup intent of a session in setup mode. The session shows it from the beginning; its events come
// when the customer has given a method. https://docs.stripe.com/api/setup_intents/object
func (s *Server) newSetupIntent(sess *session) object {
	data := sess.sent.Get("setup_intent_data")
	meta, _ := metadataOf(data.Get("metadata")) // newSession has checked it
	id := s.newID("seti_1", 23)
	options := object{}
	if sess.offers("card") {
		options["card"] = object{"mandate_options": nil, "network": nil, "request_three_d_secure": "automatic"}
	}
	return object{
		"id": id, "object": "setup_intent", "application": nil, "automatic_payment_methods": nil, "cancellation_reason": nil,
		"client_secret": s.newID(id+"_secret_", 25), "created": s.Now().Unix(), "customer": sess.object["customer"], "description": value(data.Get("description")),
		"flow_directions": nil, "last_setup_error": nil, "latest_attempt": nil, "livemode": false, "mandate": nil,
		"metadata": meta, "next_action": nil, "on_behalf_of": value(data.Get("on_behalf_of")), "payment_method": nil,
		"payment_method_configuration_details": nil, "payment_method_options": options, "payment_method_types": sess.object["payment_method_types"],
		"single_use_mandate": nil, "status": "requires_payment_method", "usage": "off_session",
	}
}

// updateSetupIntent changes the texts of a setup intent: https://docs.stripe.com/api/setup_intents/update
func (s *Server) updateSetupIntent(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "setup_intent")
	if err != nil {
		return nil, err
	}
	if err := only(c.params, "description", "expand", "metadata"); err != nil {
		return nil, err
	}
	o.set(c.params, "description")
	return o, o.setMetadata(c.params)
}

// saveMethod saves the payment method of a session in setup mode.
func (s *Server) saveMethod(sess *session) {
	o := s.objects[sess.str("setup_intent")]
	o["customer"] = sess.object["customer"]
	s.emit(sess, "setup_intent.created", o, nil)
	o["payment_method"], o["status"] = s.keepMethod(sess, sess.method)["id"], "succeeded"
	s.emit(sess, "setup_intent.succeeded", o, nil)
}
