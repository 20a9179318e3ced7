package checkouttest

// A Buyer is the customer at the payment page. Empty fields take defaults.
type Buyer struct {
	Email   string // default: the session's customer_email, else buyer@example.com
	Name    string // default: Test Buyer
	Phone   string // kept where the session collects phone numbers; default: +15555550100
	Address Address
	// Quantities are what the customer wants of each line, in the order of the lines, where the session makes them adjustable;
	// 0 and what is missing: as many as it was created with. The hosted page does not ask for them.
	Quantities []int64
}

// An Address is a postal address, of billing and of shipping. Wholly empty, it takes a default.
type Address struct {
	Line1, Line2, City, State, PostalCode string
	Country                               string // two letters
}

func (b Buyer) orDefaults(sess *session) Buyer {
	if b.Email == "" {
		b.Email = sess.str("customer_email")
	}
	if known, ok := sess.object["customer_details"].(object); ok && b.Email == "" {
		b.Email = known.str("email") // of the customer that the session is for
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

// details is the buyer as customer_details shows them. A nil address is shown as null.
func (b Buyer) details(address object) object {
	o := object{"address": nil, "email": orNull(b.Email), "name": orNull(b.Name), "phone": orNull(b.Phone), "tax_exempt": "none", "tax_ids": nil}
	if address != nil {
		o["address"], o["tax_ids"] = address, []any{}
	}
	return o
}

func (a Address) shown() object {
	return object{
		"city": orNull(a.City), "country": orNull(a.Country), "line1": orNull(a.Line1), "line2": orNull(a.Line2),
		"postal_code": orNull(a.PostalCode), "state": orNull(a.State),
	}
}
