package checkouttest

// A Buyer is the customer at the payment page. An empty field takes its default.
type Buyer struct {
	Email   string  // Default: the session's customer_email, or else buyer@example.com.
	Name    string  // Default: "Test Buyer".
	Phone   string  // Default: "+15555550100". Sessions that collect no phone number ignore it.
	Address Address // Default: an address in San Francisco.
	// ShipTo is where the goods go. Sessions that collect no shipping address ignore it. Default: Name and Address.
	ShipTo Recipient
	// Quantities are the quantities that the customer chooses, in the order of the lines. The session must make the lines
	// adjustable. Default, for 0 and for missing entries: the quantity that the session was created with.
	Quantities []int64
	// Extras are the quantities of the optional items that the customer adds, in the order of the session's optional_items.
	// Default, for 0 and for missing entries: the customer does not add the item.
	Extras []int64
	// PromotionCode is the code that the customer types. The session must have allow_promotion_codes. Default: none.
	PromotionCode string
	// Answers are the answers to the session's custom fields, by the keys of the fields. Default: the default of the field, or else
	// something that a required field takes, and nothing for an optional field.
	Answers map[string]string
	// AcceptsEmails has the customer agree to promotional e-mails, where consent_collection asks. Default: the customer declines.
	AcceptsEmails bool
	// TaxID is the customer's number as a business. Its type follows from the country of Address. Sessions without
	// tax_id_collection ignore it. Default: none, unless the session requires one.
	TaxID string
	// BusinessName is the name that belongs to TaxID, and stands for Name in customer_details. Default: none.
	BusinessName string

	typed bool // at the hosted page: there are no defaults
}

// A Recipient is who gets the goods, and where.
type Recipient struct {
	Name    string
	Address Address
}

// An Address is a postal address for billing and shipping. An Address without any field takes a default.
type Address struct {
	Line1, Line2, City, State, PostalCode string
	Country                               string // two letters
}

// testBuyer has what a buyer gets by default.
var testBuyer = Buyer{
	Email: "buyer@example.com", Name: "Test Buyer", Phone: "+15555550100",
	Address: Address{Line1: "1 Test Street", City: "San Francisco", State: "CA", PostalCode: "94107", Country: "US"},
}

// testTaxID is the tax ID that a buyer has by default, where a session requires one.
const testTaxID = "123456789"

// orDefaults fills in the empty fields of a buyer.
func (b Buyer) orDefaults(sess *session) Buyer {
	if b.typed {
		return b
	}
	if b.Email == "" {
		b.Email = sess.str("customer_email")
	}
	if known, ok := sess.object["customer_details"].(object); ok && b.Email == "" {
		b.Email = known.str("email") // the session names its customer
	}
	if b.Email == "" {
		b.Email = testBuyer.Email
	}
	if b.Name == "" {
		b.Name = testBuyer.Name
	}
	if b.Phone == "" {
		b.Phone = testBuyer.Phone
	}
	if b.Address == (Address{}) {
		b.Address = testBuyer.Address
	}
	if b.ShipTo == (Recipient{}) {
		b.ShipTo = Recipient{b.Name, b.Address}
	}
	if b.TaxID == "" && sess.requiresTaxID(b.Address.Country) {
		b.TaxID = testTaxID
	}
	return b
}

// details shows the buyer as a session's customer_details. A nil address becomes null.
func (b Buyer) details(address object) object {
	name := b.Name
	if b.BusinessName != "" { // https://docs.stripe.com/tax/checkout/tax-ids
		name = b.BusinessName
	}
	o := object{"address": nil, "email": orNull(b.Email), "name": orNull(name), "phone": orNull(b.Phone), "tax_exempt": "none", "tax_ids": nil}
	if address != nil {
		o["address"], o["tax_ids"] = address, b.taxIDs()
	}
	return o
}

// taxIDs shows the buyer's tax ID as a list.
func (b Buyer) taxIDs() []any {
	if b.TaxID == "" {
		return []any{}
	}
	typ := taxIDType(b.Address.Country)
	if typ == "" {
		typ = "unknown"
	}
	return []any{object{"type": typ, "value": b.TaxID}}
}

// shown returns the address as the API shows it.
func (a Address) shown() object {
	return object{
		"city": orNull(a.City), "country": orNull(a.Country), "line1": orNull(a.Line1), "line2": orNull(a.Line2),
		"postal_code": orNull(a.PostalCode), "state": orNull(a.State),
	}
}
