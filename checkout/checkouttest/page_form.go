package checkouttest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// formData is the payment form as the customer filled it in. The inputs have the names that they have on Stripe's own page, so that
// browser scripts made for that page work on this one.
type formData struct {
	Email, Phone  string
	Billing       Recipient
	Shipping      Recipient
	SameAddress   bool   // the billing address is the shipping address
	Method        string // the type of the payment method
	Number        string
	Expiry, CVC   string
	PromotionCode string
	Quantities    []string // as typed, by line; empty for a line that can't be changed
	Extras        []string // the same for optional items
	Answers       map[string]string
	Terms, Emails bool // agreed to
	Business      bool
	BusinessName  string
	TaxID         string
}

// emptyForm returns the form as the customer first sees it.
func (v *view) emptyForm() formData {
	f := formData{Email: v.Email, Method: v.firstMethod(), SameAddress: true, Answers: map[string]string{}}
	f.Billing.Address.Country, f.Shipping.Address.Country = testBuyer.Address.Country, testBuyer.Address.Country
	if len(v.Countries) > 0 && !slices.Contains(v.Countries, f.Shipping.Address.Country) {
		f.Shipping.Address.Country = v.Countries[0]
	}
	for _, field := range v.Fields {
		f.Answers[field.Key], _ = field.Default.(string)
	}
	return f
}

func readForm(r *http.Request, v *view) formData {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	recipient := func(kind string) Recipient {
		return Recipient{get(kind + "Name"), Address{
			Line1: get(kind + "AddressLine1"), Line2: get(kind + "AddressLine2"), City: get(kind + "Locality"),
			State: get(kind + "AdministrativeArea"), PostalCode: get(kind + "PostalCode"), Country: strings.ToUpper(get(kind + "Country")),
		}}
	}
	f := formData{
		Email: get("email"), Phone: get("phoneNumber"), Billing: recipient("billing"), Shipping: recipient("shipping"),
		SameAddress: get("cardUseShippingAsBilling") != "", Method: get("payment-method-accordion-item-title"),
		Number: get("cardNumber"), Expiry: get("cardExpiry"), CVC: get("cardCvc"), PromotionCode: get("promotionCode"),
		Answers: map[string]string{}, Terms: get("termsOfServiceConsentCheckbox") != "", Emails: get("promotionalEmailConsentCheckbox") != "",
		Business: get("purchasingAsBusiness") != "", BusinessName: get("businessName"), TaxID: get("taxId"),
	}
	for i := range v.Lines {
		f.Quantities = append(f.Quantities, get("quantity-"+strconv.Itoa(i)))
	}
	for i := range v.Extras {
		f.Extras = append(f.Extras, get("optional-"+strconv.Itoa(i)))
	}
	for _, field := range v.Fields {
		f.Answers[field.Key] = get(field.Name)
	}
	if v.EmailFixed {
		f.Email = v.Email
	}
	offered := f.Method == v.DebitType || f.Method == "card" && v.OffersCard || f.Method == customerBalance && v.OffersTransfer
	if f.Method == "" || !offered {
		f.Method = v.firstMethod()
	}
	return f
}

// fillIn fills in every field that the customer has left empty, and a test card.
func (f *formData) fillIn(v *view, card PaymentMethod) {
	fill := func(field *string, text string) { *field = cmp.Or(*field, text) }
	address := func(a *Address, country string) {
		test := testBuyer.Address
		fill(&a.Line1, test.Line1)
		fill(&a.City, test.City)
		fill(&a.PostalCode, test.PostalCode)
		if fill(&a.Country, country); a.Country == test.Country {
			fill(&a.State, test.State)
		}
	}
	fill(&f.Email, testBuyer.Email)
	fill(&f.Phone, testBuyer.Phone)
	fill(&f.Billing.Name, testBuyer.Name)
	fill(&f.Shipping.Name, testBuyer.Name)
	address(&f.Billing.Address, testBuyer.Address.Country)
	address(&f.Shipping.Address, v.emptyForm().Shipping.Address.Country)
	for _, field := range v.Fields {
		if f.Answers[field.Key] == "" {
			f.Answers[field.Key], _ = defaultAnswer(field.object).(string)
		}
	}
	f.Terms = true
	if v.requiresTaxID(f.buyer(v).Address.Country) {
		f.Business = true
		fill(&f.BusinessName, testBuyer.Name)
		fill(&f.TaxID, testTaxID)
	}
	if v.AskMethod && v.OffersCard {
		f.Method, f.Number, f.Expiry, f.CVC = "card", spaced(card), "12 / 34", "123"
	}
}

// check returns what is wrong with the form, by field.
func (f formData) check(v *view, now time.Time) map[string]string {
	wrong := map[string]string{}
	need := func(name, value, text string) {
		if value == "" {
			wrong[name] = v.Say(text)
		}
	}
	if !validEmail(f.Email) {
		wrong["email"] = v.Say("Enter an email address, such as you@example.com.")
	}
	if v.AskPhone {
		need("phoneNumber", f.Phone, "Enter a phone number.")
	}
	if v.AskShipping {
		need("shippingName", f.Shipping.Name, "This field is needed for the delivery.")
		need("shippingAddressLine1", f.Shipping.Address.Line1, "This field is needed for the delivery.")
		need("shippingLocality", f.Shipping.Address.City, "This field is needed for the delivery.")
		if !slices.Contains(v.Countries, f.Shipping.Address.Country) {
			wrong["shippingCountry"] = v.Say("Choose a country.")
		}
	}
	if v.AskBilling {
		need("billingName", f.Billing.Name, "This field is required.")
		f.checkBillingAddress(v, wrong)
	}
	if v.AskMethod && f.Method == "card" {
		f.checkCard(v, wrong, now)
	}
	for _, field := range v.Fields {
		if text, args := wrongAnswer(field.object, f.Answers[field.Key]); text != "" {
			wrong[field.Name] = v.Say(text, args...)
		}
	}
	if v.AskTerms && !f.Terms {
		wrong["termsOfServiceConsentCheckbox"] = v.Say("Accept the terms to go on.")
	}
	if v.requiresTaxID(f.buyer(v).Address.Country) || v.AskTaxID && f.Business {
		need("taxId", f.TaxID, "This field is required.")
		need("businessName", f.BusinessName, "This field is required.")
	}
	f.checkBasket(v, wrong)
	return wrong
}

func (f formData) checkBillingAddress(v *view, wrong map[string]string) {
	if v.AskShipping && f.SameAddress {
		return
	}
	if !isCountry(f.Billing.Address.Country) {
		wrong["billingCountry"] = v.Say("Choose a country.")
	}
	required := map[string]string{}
	if v.AskAddress {
		required["billingAddressLine1"], required["billingLocality"] = f.Billing.Address.Line1, f.Billing.Address.City
	}
	if f.Method == "card" && asksForPostalCode(f.Billing.Address.Country) {
		required["billingPostalCode"] = f.Billing.Address.PostalCode
	}
	for name, value := range required {
		if value == "" {
			wrong[name] = v.Say("This field is required.")
		}
	}
}

func (f formData) checkCard(v *view, wrong map[string]string, now time.Time) {
	if number := PaymentMethod(digits(f.Number)); number == "" {
		wrong["cardNumber"] = v.Say("Enter a card number.")
	} else if number == badNumber {
		wrong["cardNumber"] = v.Say("Your card number is invalid.")
	} else if !number.isCard() {
		wrong["cardNumber"] = v.Say("This is not one of the test cards. Real cards are refused here.")
	}
	expiry := digits(f.Expiry)
	if len(expiry) == 6 { // with the whole year
		expiry = expiry[:2] + expiry[4:]
	}
	if end, err := time.Parse("0106", expiry); err != nil {
		wrong["cardExpiry"] = v.Say("Enter month and year, such as 12 / 34.")
	} else if !now.Before(end.AddDate(0, 1, 0)) {
		wrong["cardExpiry"] = v.Say("This date is in the past.")
	}
	wanted, hint := 3, "Enter three digits."
	if card := cardByNumber(PaymentMethod(digits(f.Number))); card != nil && card.brand == "amex" {
		wanted, hint = 4, "Enter four digits."
	}
	if cvc := digits(f.CVC); len(cvc) != wanted || cvc != f.CVC {
		wrong["cardCvc"] = v.Say(hint)
	}
}

// checkBasket checks the quantities.
func (f formData) checkBasket(v *view, wrong map[string]string) {
	for i, typed := range f.Quantities {
		n, err := strconv.ParseInt(typed, 10, 64)
		if l := v.Lines[i].Limits; typed != "" && l != (limits{}) && (err != nil || n < l.least || n > l.most) {
			wrong[fmt.Sprintf("quantity-%d", i)] = v.Say("Choose a quantity from %d to %d.", l.least, l.most)
		}
	}
	for i, typed := range f.Extras {
		n, err := strconv.ParseInt(typed, 10, 64)
		if l := v.Extras[i].Limits; typed != "" && (err != nil || n != 0 && (n < l.least || n > l.most)) {
			wrong[fmt.Sprintf("optional-%d", i)] = v.Say("Choose a quantity from %d to %d.", l.least, l.most)
		}
	}
}

// basket returns what the form says about the order itself.
func (f formData) basket() Buyer {
	numbers := func(typed []string) []int64 {
		var all []int64
		for _, text := range typed {
			n, _ := strconv.ParseInt(text, 10, 64) // checkBasket has checked it
			all = append(all, n)
		}
		return all
	}
	return Buyer{Quantities: numbers(f.Quantities), Extras: numbers(f.Extras), PromotionCode: f.PromotionCode}
}

func (f formData) paymentMethod() PaymentMethod {
	switch f.Method {
	case "card":
	case customerBalance:
		return BankTransfer
	default:
		return BankDebit
	}
	number := PaymentMethod(digits(f.Number))
	if number == "" {
		return CardOK // the form asks for no card when there is nothing to pay
	}
	return number
}

// buyer returns the customer who filled in the form. It has nothing that was not typed.
func (f formData) buyer(v *view) Buyer {
	b := f.basket()
	b.typed = true
	b.Email, b.Phone, b.Answers, b.AcceptsEmails = f.Email, f.Phone, f.Answers, f.Emails
	if v.AskShipping {
		b.ShipTo = f.Shipping
	}
	if v.AskBilling {
		b.Name, b.Address = f.Billing.Name, f.Billing.Address
		if !v.AskAddress {
			b.Address = Address{PostalCode: b.Address.PostalCode, Country: b.Address.Country}
		}
	}
	if v.AskBilling && v.AskShipping && f.SameAddress {
		b.Address = f.Shipping.Address
	}
	if v.AskTaxID && f.Business || v.requiresTaxID(b.Address.Country) {
		b.TaxID, b.BusinessName = f.TaxID, f.BusinessName
	}
	return b
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}
