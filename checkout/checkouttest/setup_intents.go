package checkouttest

import (
	"net/http"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// newSetupIntent returns the setup intent of a session in setup mode. The session shows it from the beginning; its events come
// when the customer has given a method. https://docs.stripe.com/api/setup_intents/object
func (s *Server) newSetupIntent(sess *session) object {
	data := sess.sent.Get("setup_intent_data")
	meta, _ := metadataOf(data.Get("metadata")) // newSession and createSetupIntent have checked it
	id := s.newID("seti_1", 23)
	options := object{}
	if sess.offers("card") {
		options["card"] = object{"mandate_options": nil, "network": nil, "request_three_d_secure": "automatic"}
	}
	return object{
		"id": id, "object": "setup_intent", "application": nil, "automatic_payment_methods": sess.automaticMethods(data), "cancellation_reason": nil,
		"client_secret": s.newID(id+"_secret_", 25), "created": s.Now().Unix(), "customer": sess.object["customer"], "description": value(data.Get("description")),
		"flow_directions": nil, "last_setup_error": nil, "latest_attempt": nil, "livemode": false, "mandate": nil,
		"metadata": meta, "next_action": nil, "on_behalf_of": value(data.Get("on_behalf_of")), "payment_method": nil,
		"payment_method_configuration_details": nil, "payment_method_options": options, "payment_method_types": sess.object["payment_method_types"],
		"single_use_mandate": nil, "status": "requires_payment_method", "usage": valueOr(data.Get("usage"), "off_session"),
	}
}

// createSetupIntent makes a setup intent without a session, as createIntent makes a payment intent:
// https://docs.stripe.com/api/setup_intents/create
func (s *Server) createSetupIntent(c *call) (object, *apiError) {
	p := c.params
	if err := only(p, "automatic_payment_methods", "confirm", "customer", "description", "expand", "mandate_data", "metadata", "payment_method",
		"payment_method_types", "return_url", "usage"); err != nil {
		return nil, err
	}
	if err := oneOf(p.Get("usage"), "off_session", "on_session"); err != nil {
		return nil, err
	}
	if _, err := metadataOf(p.Get("metadata")); err != nil {
		return nil, err
	}
	if cus := p.Get("customer"); cus != nil {
		if _, err := s.objectInParam(c, "customer", cus); err != nil {
			return nil, err
		}
	}
	pm := p.Get("payment_method")
	if p.Get("confirm").Bool() && pm == nil {
		return nil, missing("payment_method")
	}
	owner := &session{
		account: c.account, sent: &formparams.Param{Fields: map[string]*formparams.Param{"setup_intent_data": p}},
		object: object{"mode": "setup", "customer": value(p.Get("customer"))},
	}
	owner.setMethods(p, "usd") // a setup intent has no currency
	o := s.newSetupIntent(owner)
	if pm != nil {
		method, err := s.ownMethod(c, pm)
		if err != nil {
			return nil, err
		}
		o["status"], o["payment_method"] = "requires_confirmation", method["id"]
	}
	s.keep(owner, o)
	s.emitChange("setup_intent.created", o, nil, c)
	if p.Get("confirm").Bool() {
		return s.setUp(c, o, s.objects[o.str("payment_method")])
	}
	return o, nil
}

// confirmSetupIntent tries to save a payment method: https://docs.stripe.com/api/setup_intents/confirm
func (s *Server) confirmSetupIntent(c *call) (object, *apiError) {
	o, err := s.pendingSetup(c, "confirm")
	if err != nil {
		return nil, err
	}
	if err := only(c.params, "expand", "mandate_data", "payment_method", "return_url"); err != nil {
		return nil, err
	}
	pm := s.objects[o.str("payment_method")]
	if p := c.params.Get("payment_method"); p != nil {
		if pm, err = s.ownMethod(c, p); err != nil {
			return nil, err
		}
	}
	if pm == nil {
		return nil, missing("payment_method")
	}
	return s.setUp(c, o, pm)
}

// setUp saves a payment method for later payments. The intent waits in requires_action if its customer has to authenticate.
func (s *Server) setUp(c *call, o, pm object) (object, *apiError) {
	with, err := s.tenderOf(c, pm.str("id"))
	switch {
	case err != nil:
		return nil, err
	case !s.ownerOf(o).offersMethod(with.method):
		return nil, s.payError(s.ownerOf(o), ErrMethodNotOffered)
	case pm["customer"] != nil && pm["customer"] != o["customer"]:
		return nil, invalid("", "payment_method", "The payment method belongs to another customer.")
	}
	refusal := with.method.saveRefusal()
	if !with.method.asks() {
		check(pm)
	}
	switch {
	case refusal != nil:
		failed := cardError(refusal)
		shown := failed.body()["error"].(object)
		shown["payment_method"] = pm
		o["last_setup_error"], o["payment_method"], o["status"] = shown, nil, "requires_payment_method"
		failed.intent = o
		s.emitChange("setup_intent.setup_failed", o, nil, c)
		return nil, failed
	case with.method.asks():
		o["payment_method"], o["status"] = pm["id"], "requires_action"
		o["next_action"] = object{"type": "use_stripe_sdk", "use_stripe_sdk": object{"type": "three_d_secure_redirect"}}
		s.emitChange("setup_intent.requires_action", o, nil, c)
		return o, nil
	}
	if o["customer"] != nil && pm["customer"] == nil {
		pm["customer"] = o["customer"]
		s.emitChange("payment_method.attached", pm, nil, c)
	}
	o["payment_method"], o["status"], o["last_setup_error"], o["next_action"] = pm["id"], "succeeded", nil, nil
	s.emitChange("setup_intent.succeeded", o, nil, c)
	return o, nil
}

// cancelSetupIntent cancels a setup intent: https://docs.stripe.com/api/setup_intents/cancel
func (s *Server) cancelSetupIntent(c *call) (object, *apiError) {
	o, err := s.pendingSetup(c, "cancel")
	if err != nil {
		return nil, err
	}
	reason := c.params.Get("cancellation_reason")
	if err := oneOf(reason, "abandoned", "duplicate", "requested_by_customer"); err != nil {
		return nil, err
	}
	o["status"], o["cancellation_reason"], o["next_action"] = "canceled", value(reason), nil
	s.emitChange("setup_intent.canceled", o, nil, c)
	return o, nil
}

// pendingSetup returns the setup intent in the path if it has not ended, and belongs to no Checkout Session.
func (s *Server) pendingSetup(c *call, verb string) (object, *apiError) {
	o, err := s.objectInPath(c, "setup_intent")
	switch {
	case err != nil:
		return nil, err
	case s.ownerOf(o).id() != "":
		return nil, unexpectedSetupState("You cannot " + verb + " the SetupIntent of a Checkout Session.")
	case o["status"] == "succeeded" || o["status"] == "canceled":
		return nil, unexpectedSetupState("You cannot " + verb + " this SetupIntent because it has a status of " + o.str("status") + ".")
	}
	return o, nil
}

func unexpectedSetupState(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", code: "setup_intent_unexpected_state", message: message}
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
