package checkouttest

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A view is what the page shows of a session.
type view struct {
	language
	ID, Status, PaymentStatus string
	Shop                      string // its name
	Lines                     []viewLine
	Extras                    []viewLine // optional items that the customer has not added
	Pictures                  []string   // the origins of the lines' pictures
	Shipping, Total           string     // Shipping is empty without one
	Discount, Code            string     // empty without one
	Tax                       string     // on top of the prices; empty without one
	TaxWithin                 string     // that the prices include; empty without one
	Local                     string     // the total in the customer's currency; empty without one
	Until                     string     // the last time at which the session can be paid
	Verb                      string     // on the button
	Email                     string
	EmailFixed                bool
	AskMethod                 bool // there is something to pay, or a card to save
	OffersCard                bool
	DebitType                 string   // the type of the bank debit that is offered; empty: none is
	OffersTransfer            bool     // a bank transfer
	Instructions              string   // the URL of what a customer who pays by bank transfer must do; empty: nothing
	Methods                   []string // all types that the session names
	AskPhone, AskShipping     bool
	AskBilling, AskAddress    bool // a name and a country; the whole address
	AskCode                   bool // the customer may type a promotion code
	AskTerms, AskEmails       bool
	AskTaxID, NeedTaxID       bool
	Fields                    []viewField
	Texts                     map[string]string // of the shop, by their place
	Late                      bool              // the page shows the form although the session has expired
	Countries                 []string          // to which the shop ships
	CancelURL, ReturnURL      string
	Challenge                 bool // the customer must authenticate
	Cards                     []testCard

	Form   formData
	Alert  string
	Errors map[string]string
}

type viewLine struct {
	Name, Detail, Amount, About string
	Picture                     string // a URL; empty: there is none
	Quantity                    int64
	Limits                      limits
}

// Adjustable reports whether the customer may choose the quantity.
func (l viewLine) Adjustable() bool { return l.Limits != (limits{}) }

// Least and Most are the quantities that the customer may choose.
func (l viewLine) Least() int64 { return l.Limits.least }

// Most is the other end.
func (l viewLine) Most() int64 { return l.Limits.most }

// A viewField is a field that the shop has added to the form.
type viewField struct {
	object
	Key, Name, Label string
	Type             string
	Default          any
	Options          []object
	Optional         bool
}

// view reads the session that the path of a page names.
func (s *Server) view(r *http.Request) (view, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.sessions[r.PathValue("id")]
	if sess == nil {
		return view{}, false
	}
	s.refresh(sess)
	o, p := sess.object, sess.sent
	v := view{
		language: pageLanguage(o.str("locale"), r), ID: sess.id(), Status: o.str("status"), PaymentStatus: o.str("payment_status"), Shop: s.shopName,
		AskMethod: sess.asksForMethod(), OffersCard: sess.offers("card"), Methods: o["payment_method_types"].([]string),
		AskCode: o["allow_promotion_codes"] == true, AskPhone: p.Get("phone_number_collection", "enabled").Bool(),
		AskShipping: p.Get("shipping_address_collection") != nil, Countries: p.Get("shipping_address_collection", "allowed_countries").Strings(),
		AskAddress: o["billing_address_collection"] == "required", AskTaxID: sess.collectsTaxID(),
		NeedTaxID: p.Get("tax_id_collection", "required").String() == "if_supported",
		Late:      s.expiredForm && o["status"] == "expired", Until: time.Unix(o["expires_at"].(int64), 0).UTC().Format("2006-01-02 15:04 UTC"),
		CancelURL: webURL(o.str("cancel_url")), ReturnURL: webURL(sess.returnURL()),
		Challenge: sess.method.asks(), Cards: cardsOnThePage(), Texts: customTexts(o),
	}
	v.AskBilling = v.AskMethod || v.AskAddress
	if sess.offersDebit() {
		v.DebitType = sess.methodType(BankDebit)
	}
	v.OffersTransfer = sess.offers(customerBalance)
	v.Instructions = instructionsOf(s.objects[o.str("payment_intent")]).str("hosted_instructions_url")
	known, _ := o["customer_details"].(object)
	v.Email, v.EmailFixed = known.str("email"), known.str("email") != ""
	if v.Email == "" {
		v.Email = sess.buyer.Email // from an earlier try, with a card that was refused
	}
	if asked, ok := o["consent_collection"].(object); ok {
		v.AskTerms, v.AskEmails = asked["terms_of_service"] == "required", asked["promotions"] == "auto"
	}
	v.setFields(o["custom_fields"].([]any))
	s.setLines(&v, sess)
	v.setTotals(sess)
	return v, true
}

// requiresTaxID reports whether a customer from a country must give a tax ID.
func (v *view) requiresTaxID(country string) bool {
	return v.AskTaxID && v.NeedTaxID && taxIDType(country) != ""
}

// customTexts returns the texts that a shop has put on the page, by their place.
func customTexts(o object) map[string]string {
	texts := map[string]string{}
	for place, text := range o["custom_text"].(object) {
		if shown, ok := text.(object); ok {
			texts[place] = shown.str("message")
		}
	}
	return texts
}

func (v *view) setFields(fields []any) {
	for _, f := range fields {
		field := f.(object)
		kind := field[field.str("type")].(object)
		shown := viewField{
			object: field, Key: field.str("key"), Name: "custom-" + field.str("key"), Label: field["label"].(object).str("custom"), Type: field.str("type"),
			Default: kind["default_value"], Optional: field["optional"] == true,
		}
		options, _ := kind["options"].([]any)
		for _, option := range options {
			shown.Options = append(shown.Options, option.(object))
		}
		if shown.Optional {
			shown.Label = v.Say("%s (optional)", shown.Label)
		}
		v.Fields = append(v.Fields, shown)
	}
}

// setLines shows the lines and the optional items of a session. The server is locked.
func (s *Server) setLines(v *view, sess *session) {
	for i, line := range sess.lines {
		quantity, price := line["quantity"].(int64), line["price"].(object)
		shown := viewLine{
			Name: line.str("description"), Amount: v.Money(line["amount_subtotal"].(int64), line.str("currency")), Quantity: quantity, Limits: sess.limits(i),
		}
		var details []string
		if unit, ok := price["unit_amount"].(int64); ok && quantity > 1 {
			details = append(details, fmt.Sprintf("%d × %s", quantity, v.Money(unit, line.str("currency"))))
		} else if quantity > 1 {
			details = append(details, v.Say("Quantity %d", quantity))
		}
		if recurring, ok := price["recurring"].(object); ok {
			details = append(details, v.every(recurring))
		}
		shown.Detail = strings.Join(details, ", ")
		v.describe(&shown, s.objects[price.str("product")])
		v.Lines = append(v.Lines, shown)
	}
	for i, item := range sess.sent.Get("optional_items").List() {
		price := s.objects[item.Get("price").String()]
		product := s.objects[price.str("product")]
		quantity := item.Get("quantity").Int()
		shown := viewLine{Name: product.str("name"), Quantity: quantity, Limits: limitsOf(item.Get("adjustable_quantity"))}
		if shown.Limits == (limits{}) {
			shown.Limits = limits{quantity, quantity}
		}
		shown.Amount = v.Money(amountOf(price, quantity), price.str("currency"))
		if slices.Contains(sess.extras, i) {
			shown.Limits = limits{} // it is one of the lines now
		}
		v.describe(&shown, product)
		v.Extras = append(v.Extras, shown)
	}
}

// describe adds the description and the first picture of a product.
func (v *view) describe(shown *viewLine, product object) {
	shown.About = product.str("description")
	images, _ := product["images"].([]any)
	if len(images) == 0 {
		return
	}
	picture, _ := images[0].(string)
	u, err := url.Parse(picture)
	if err != nil || webURL(picture) == "" || strings.ContainsAny(u.Host, "; ,'") {
		return
	}
	shown.Picture = picture
	if origin := u.Scheme + "://" + u.Host; !slices.Contains(v.Pictures, origin) {
		v.Pictures = append(v.Pictures, origin)
	}
}

// setTotals shows what a session costs, and what its button says.
func (v *view) setTotals(sess *session) {
	o := sess.object
	currency := o.str("currency")
	if cost, ok := o["shipping_cost"].(object); ok {
		v.Shipping = v.Money(cost["amount_subtotal"].(int64), currency)
	}
	if totals, ok := o["total_details"].(object); ok && totals["amount_discount"] != int64(0) {
		v.Discount, v.Code = "-"+v.Money(totals["amount_discount"].(int64), currency), sess.reduction.code.str("code")
	}
	total, _ := o["amount_total"].(int64)
	if totals, ok := o["total_details"].(object); ok {
		tax, net := totals["amount_tax"].(int64), sess.subtotal()-totals["amount_discount"].(int64)+totals["amount_shipping"].(int64)
		if total > net {
			v.Tax = v.Money(total-net, currency)
		}
		if within := tax - (total - net); within > 0 {
			v.TaxWithin = v.Money(within, currency)
		}
	}
	if o.str("mode") == "setup" {
		v.Verb = v.Say("Save payment method")
		return
	}
	v.Total = v.Money(total, currency)
	if local, ok := sess.presentment(v.Email).(object); ok {
		v.Local = v.Say("You pay %s", v.Money(local["presentment_amount"].(int64), local.str("presentment_currency")))
	}
	switch {
	case total == 0:
		v.Verb = v.Say("Complete order")
	case o.str("mode") == "subscription":
		v.Verb = v.Say("Subscribe for %s", v.Total)
	case o["submit_type"] == "book":
		v.Verb = v.Say("Book for %s", v.Total)
	case o["submit_type"] == "donate":
		v.Verb = v.Say("Donate %s", v.Total)
	default:
		v.Verb = v.Say("Pay %s", v.Total)
	}
}

func (v *view) firstMethod() string {
	switch {
	case v.OffersCard:
		return "card"
	case v.DebitType != "":
		return v.DebitType
	case v.OffersTransfer:
		return customerBalance
	default:
		return "card"
	}
}

// Payable reports whether one of the session's payment methods can be played here, or none is needed.
func (v *view) Payable() bool {
	return !v.AskMethod || v.OffersCard || v.DebitType != "" || v.OffersTransfer
}

// MethodList names the types of payment methods that the session offers.
func (v *view) MethodList() string { return strings.Join(v.Methods, ", ") }

// HasExtras reports whether the customer can still add an optional item.
func (v *view) HasExtras() bool { return slices.ContainsFunc(v.Extras, viewLine.Adjustable) }

// CanUpdate reports whether the customer can change what is in the order.
func (v *view) CanUpdate() bool {
	return v.HasExtras() || slices.ContainsFunc(v.Lines, viewLine.Adjustable)
}

// QuantityField is the input of a line's quantity.
func (v *view) QuantityField(i int) fieldView {
	f := v.number("quantity-"+strconv.Itoa(i), v.Say("Quantity of %s", v.Lines[i].Name), v.Lines[i])
	f.Value = strconv.FormatInt(v.Lines[i].Quantity, 10)
	if i < len(v.Form.Quantities) && v.Form.Quantities[i] != "" {
		f.Value = v.Form.Quantities[i]
	}
	return f
}

// ExtraField is the input of an optional item's quantity.
func (v *view) ExtraField(i int) fieldView {
	f := v.number("optional-"+strconv.Itoa(i), v.Say("Quantity of %s", v.Extras[i].Name), v.Extras[i])
	f.Least = 0
	if i < len(v.Form.Extras) {
		f.Value = v.Form.Extras[i]
	}
	return f
}

func (v *view) number(name, label string, line viewLine) fieldView {
	return fieldView{Name: name, Label: label, Error: v.Errors[name], Focus: name == v.firstError(), Least: line.Least(), Most: line.Most()}
}

// Options returns the options of a list of countries.
func (v *view) Options(kind string) template.HTML {
	if kind == "shipping" {
		return v.countryOptions(v.Countries, v.Form.Shipping.Address.Country)
	}
	return v.countryOptions(nil, v.Form.Billing.Address.Country)
}

// An addressField is an input of an address. Two inputs may stand in one row.
type addressField struct {
	Field         fieldView
	Pair, EndPair bool // the input begins or ends a row of two
}

// AddressFields returns the inputs of an address, "shipping" or "billing", below the country.
func (v *view) AddressFields(kind string) []addressField {
	a := v.Form.Billing.Address
	if kind == "shipping" {
		a = v.Form.Shipping.Address
	}
	return []addressField{
		{Field: field(v, kind+"AddressLine1", "Address", a.Line1, "autocomplete", kind+" address-line1", "required", "true")},
		{Field: field(v, kind+"AddressLine2", "Address line 2 (optional)", a.Line2, "autocomplete", kind+" address-line2")},
		{Field: field(v, kind+"PostalCode", "Postal code", a.PostalCode, "autocomplete", kind+" postal-code"), Pair: true},
		{Field: field(v, kind+"Locality", "City", a.City, "autocomplete", kind+" address-level2", "required", "true"), EndPair: true},
		{Field: field(v, kind+"AdministrativeArea", "State (optional)", a.State, "autocomplete", kind+" address-level1")},
	}
}

// firstError returns the name of the first field of the form that has an error, or "".
func (v *view) firstError() string {
	if len(v.Errors) == 0 {
		return ""
	}
	var names []string
	for i := range v.Lines {
		names = append(names, "quantity-"+strconv.Itoa(i))
	}
	for i := range v.Extras {
		names = append(names, "optional-"+strconv.Itoa(i))
	}
	names = append(names, "promotionCode", "email", "phoneNumber", "shippingName", "shippingCountry", "shippingAddressLine1", "shippingPostalCode", "shippingLocality",
		"cardNumber", "cardExpiry", "cardCvc", "billingName", "billingCountry", "billingAddressLine1", "billingPostalCode", "billingLocality")
	for _, field := range v.Fields {
		names = append(names, field.Name)
	}
	names = append(names, "businessName", "taxId", "termsOfServiceConsentCheckbox")
	for _, name := range names {
		if v.Errors[name] != "" {
			return name
		}
	}
	return ""
}

// A fieldView is one input of the form.
type fieldView struct {
	Name, Label, Value, Error, Type, Autocomplete, Hint string
	Fixed, Numeric, Required                            bool
	Focus                                               bool // the browser goes to the field
	Least, Most                                         int64
}

// field makes an input for the template. attrs are pairs of name and value.
func field(v *view, name, label, value string, attrs ...string) fieldView {
	f := fieldView{Name: name, Label: v.Say(label), Value: value, Error: v.Errors[name], Type: "text", Autocomplete: "off", Focus: name == v.firstError()}
	for i := 0; i+1 < len(attrs); i += 2 {
		switch attrs[i] {
		case "type":
			f.Type = attrs[i+1]
		case "autocomplete":
			f.Autocomplete = attrs[i+1]
		case "hint":
			f.Hint = v.Say(attrs[i+1])
		case "inputmode":
			f.Numeric = attrs[i+1] == "numeric"
		case "required":
			f.Required = attrs[i+1] == "true"
		}
	}
	f.Fixed = name == "email" && v.EmailFixed
	return f
}
