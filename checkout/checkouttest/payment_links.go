package checkouttest

import (
	"maps"
	"net/http"
	"regexp"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// createPaymentLink makes a link that opens a new session for each customer who follows it:
// https://docs.stripe.com/api/payment-link/create
func (s *Server) createPaymentLink(c *call) (object, *apiError) {
	p := c.params
	if p.Get("line_items") == nil {
		return nil, missing("line_items")
	}
	after := p.Get("after_completion")
	if err := oneOf(after.Get("type"), "hosted_confirmation", "redirect"); err != nil {
		return nil, err
	}
	redirects := after.Get("type").String() == "redirect"
	if redirects && after.Get("redirect", "url") == nil {
		return nil, missing("after_completion[redirect][url]")
	}
	first, err := s.sessionOfLink(c.account, p, "", "") // tells what is wrong with the parameters, and what sessions of the link are like
	if err != nil {
		return nil, err
	}
	for _, made := range first.made { // the inline prices of the link, which the sessions have in copies of their own
		s.keep(first, made)
	}
	o := first.object
	completion := object{"hosted_confirmation": object{"custom_message": nil}, "type": "hosted_confirmation"}
	if redirects {
		completion = object{"redirect": object{"url": after.Get("redirect", "url").String()}, "type": "redirect"}
	}
	liability := o["automatic_tax"].(object)["liability"]
	link := object{
		"id": s.newID("plink_1", 23), "object": "payment_link", "active": true, "after_completion": completion, "allow_promotion_codes": o["allow_promotion_codes"] == true,
		"application": nil, "application_fee_amount": nil, "application_fee_percent": nil, "automatic_tax": object{"enabled": o["automatic_tax"].(object)["enabled"], "liability": liability},
		"billing_address_collection": valueOr(p.Get("billing_address_collection"), "auto"), "consent_collection": o["consent_collection"], "currency": o["currency"],
		"custom_fields": linkFields(o["custom_fields"].([]any)), "custom_text": o["custom_text"], "customer_creation": valueOr(p.Get("customer_creation"), "if_required"),
		"inactive_message": value(p.Get("inactive_message")), "invoice_creation": o["invoice_creation"], "livemode": false, "metadata": o["metadata"], "on_behalf_of": nil,
		"optional_items": o["optional_items"], "payment_intent_data": linkIntentData(p.Get("payment_intent_data")), "payment_method_collection": valueOr(p.Get("payment_method_collection"), "always"),
		"payment_method_types": value(p.Get("payment_method_types")), "phone_number_collection": o["phone_number_collection"], "restrictions": nil,
		"shipping_address_collection": o["shipping_address_collection"], "shipping_options": o["shipping_options"], "submit_type": valueOr(p.Get("submit_type"), "auto"),
		"subscription_data": nil, "tax_id_collection": o["tax_id_collection"], "transfer_data": nil, "url": s.base + "/b/" + s.newID("test_", 18),
	}
	s.keep(&session{account: c.account, sent: p, lines: first.lines}, link)
	s.emitChange("payment_link.created", link, nil, c)
	return link, nil
}

// linkFields shows custom fields as a link does: they have no values.
func linkFields(fields []any) []any {
	shown := []any{}
	for _, f := range fields {
		field := maps.Clone(f.(object))
		kind := maps.Clone(field[field.str("type")].(object))
		delete(kind, "value")
		field[field.str("type")] = kind
		shown = append(shown, field)
	}
	return shown
}

func linkIntentData(p *formparams.Param) any {
	if p == nil {
		return nil
	}
	meta, _ := metadataOf(p.Get("metadata")) // sessionOfLink has checked it
	return object{
		"capture_method": value(p.Get("capture_method")), "description": value(p.Get("description")), "metadata": meta,
		"setup_future_usage": value(p.Get("setup_future_usage")), "statement_descriptor": value(p.Get("statement_descriptor")),
		"statement_descriptor_suffix": value(p.Get("statement_descriptor_suffix")), "transfer_group": value(p.Get("transfer_group")),
	}
}

// sessionOfLink builds a session of a link for a customer. reference and email are empty if the link's URL has none.
func (s *Server) sessionOfLink(account string, link *formparams.Param, reference, email string) (*session, *apiError) {
	p := link.Without("after_completion").Without("inactive_message")
	mode, success := "payment", s.base+"/c/pay/{CHECKOUT_SESSION_ID}" // the page says that the order is complete
	for _, item := range p.Get("line_items").List() {
		price := s.objects[item.Get("price").String()]
		if price["recurring"] != nil || item.Get("price_data", "recurring") != nil {
			mode = "subscription"
		}
	}
	if back := link.Get("after_completion", "redirect", "url"); back != nil {
		success = back.String()
	}
	p.SetField("mode", mode)
	p.SetField("success_url", success)
	if reference != "" {
		p.SetField("client_reference_id", reference)
	}
	if email != "" {
		p.SetField("customer_email", email)
	}
	return s.newSession(&call{account: account, params: p})
}

// updatePaymentLink ends a link, brings it back, or changes whether it takes promotion codes: https://docs.stripe.com/api/payment-link/update
func (s *Server) updatePaymentLink(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "payment_link")
	if err != nil {
		return nil, err
	}
	err = s.update(c, o, "payment_link.updated", func(o object, p *formparams.Param) *apiError {
		if err := only(p, "active", "allow_promotion_codes", "expand", "inactive_message", "metadata"); err != nil {
			return err
		}
		o.set(p, "active", "allow_promotion_codes", "inactive_message")
		return o.setMetadata(p)
	})
	if allow := c.params.Get("allow_promotion_codes"); err == nil && allow != nil {
		s.ownerOf(o).sent.Fields["allow_promotion_codes"] = allow // for the sessions that the link opens from now on
	}
	return o, err
}

func (s *Server) listItemsOfLink(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "payment_link")
	if err != nil {
		return nil, err
	}
	return listPage(s.ownerOf(o).lines, c.url, "item", c.params)
}

// goodReference matches what a link takes as client_reference_id. It ignores anything else.
// https://docs.stripe.com/payment-links/url-parameters
var goodReference = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)

// followLink opens a session of a payment link, and sends the customer to its page. The parameters of the URL are the customer's to change.
func (s *Server) followLink(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var link object
	for _, o := range s.byKind["payment_link"] {
		if o["url"] == s.base+"/b/"+r.PathValue("slug") {
			link = o
		}
	}
	switch {
	case link == nil:
		s.showUnknown(w, r)
		return
	case link["active"] != true:
		render(w, http.StatusGone, "inactive", struct {
			language
			Message string
		}{pageLanguage("", r), link.str("inactive_message")})
		return
	}
	reference, email := r.URL.Query().Get("client_reference_id"), r.URL.Query().Get("prefilled_email")
	if !goodReference.MatchString(reference) {
		reference = ""
	}
	if !validEmail(email) {
		email = ""
	}
	owner := s.ownerOf(link)
	sess, err := s.sessionOfLink(owner.account, owner.sent, reference, email)
	if err != nil { // a price of the link has been archived since
		s.showUnknown(w, r)
		return
	}
	sess.object["payment_link"], sess.object["metadata"] = link["id"], link["metadata"]
	s.open(sess)
	http.Redirect(w, r, "/c/pay/"+sess.id(), http.StatusSeeOther)
}
