package checkouttest

// platformAccount is the default of Config.AccountID.
const platformAccount = "acct_1CheckoutTest0000"

// retrieveAccount answers with the account that the key, or the header Stripe-Account, names. It is a part of the object that Stripe
// shows of the account of a key: https://docs.stripe.com/api/accounts/object
func (s *Server) retrieveAccount(c *call) (object, *apiError) {
	id := c.account
	if id == "" {
		id = s.accountID
	}
	currentlyDue := []string{}
	if s.unverified {
		currentlyDue = []string{"business_profile.url"}
	}
	return object{
		"id": id, "object": "account", "charges_enabled": !s.unverified, "country": "US", "default_currency": "usd",
		"details_submitted": !s.unverified, "email": nil, "business_profile": object{"mcc": nil, "name": s.shopName, "support_email": nil, "support_url": nil, "url": nil},
		"settings": object{
			"branding":      object{"icon": nil, "logo": nil, "primary_color": nil, "secondary_color": nil},
			"card_payments": object{"statement_descriptor_prefix": nil, "statement_descriptor_prefix_kana": nil, "statement_descriptor_prefix_kanji": nil},
			"dashboard":     object{"display_name": s.shopName, "timezone": "Etc/UTC"},
			"payments":      object{"statement_descriptor": statement(s.shopName), "statement_descriptor_kana": nil, "statement_descriptor_kanji": nil},
		}, "payouts_enabled": !s.unverified, "type": "standard",
		"requirements": object{
			"alternatives": []object{}, "current_deadline": nil, "currently_due": currentlyDue, "disabled_reason": nil, "errors": []object{},
			"eventually_due": currentlyDue, "past_due": []string{}, "pending_verification": []string{},
		},
	}, nil
}
