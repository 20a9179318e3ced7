package checkouttest

// A Buyer is the customer at the payment page. An empty field takes its default.
type Buyer struct {
	Email   string // Default: the session's customer_email, or else buyer@example.com.
	Name    string // Default: "Test Buyer".
	Phone   string // Default: "+15555550100". Sessions that collect no phone number ignore it.
	Address Address
	// Quantities are the quantities that the customer chooses, in the order of the lines. The session must make the lines
	// adjustable. Default, for 0 and for missing entries: the quantity that the session was created with. The hosted page
	// does not ask for quantities.
	Quantities []int64
	// PromotionCode is the code that the customer types. The session must have allow_promotion_codes. Default: none.
	PromotionCode string
}

// An Address is a postal address for billing and shipping. An Address without any field takes a default.
type Address struct {
	Line1, Line2, City, State, PostalCode string
	Country                               string // two letters
}

// orDefaults fills in the empty fields of a buyer.
func (b Buyer) orDefaults(sess *session) Buyer {
	if b.Email == "" {
		b.Email = sess.str("customer_email")
	}
	if known, ok := sess.object["customer_details"].(object); ok && b.Email == "" {
		b.Email = known.str("email") // the session names its customer
	}
	if b.Email == "" {
		b.Email = "buyer@example.com"
	}
	if b.Name == "" {
		b.Name = "Test Buyer"
	}
	if b.Phone == "" {
		b.Phone = "+15555550100"
	}
	if b.Address == (Address{}) {
		b.Address = Address{Line1: "1 Test Street", City: "San Francisco", State: "CA", PostalCode: "94107", Country: "US"}
	}
	return b
}

// details shows the buyer as a session's customer_details. A nil address becomes null.
func (b Buyer) details(address object) object {
	o := object{"address": nil, "email": orNull(b.Email), "name": orNull(b.Name), "phone": orNull(b.Phone), "tax_exempt": "none", "tax_ids": nil}
	if address != nil {
		o["address"], o["tax_ids"] = address, []any{}
	}
	return o
}

// shown returns the address as the API shows it.
func (a Address) shown() object {
	return object{
		"city": orNull(a.City), "country": orNull(a.Country), "line1": orNull(a.Line1), "line2": orNull(a.Line2),
		"postal_code": orNull(a.PostalCode), "state": orNull(a.State),
	}
}
