package checkouttest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// formData is the payment form as it was filled in.
type formData struct {
	Email, Name, Phone                             string
	Line1, Line2, City, State, PostalCode, Country string
	Method                                         string // card or debit
	Number, Expiry, CVC                            string
	Refused                                        bool // the payment was declined: the method is what to change
}

func readForm(r *http.Request, v view) formData {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	f := formData{
		Email: get("email"), Name: get("name"), Phone: get("phone"),
		Line1: get("line1"), Line2: get("line2"), City: get("city"), State: get("state"), PostalCode: get("postal_code"), Country: strings.ToUpper(get("country")),
		Method: get("method"), Number: get("number"), Expiry: get("expiry"), CVC: get("cvc"),
	}
	if v.EmailFixed {
		f.Email = v.Email
	}
	if f.Method != "card" && f.Method != "debit" {
		f.Method = v.firstMethod()
	}
	return f
}

// check returns what is wrong with the form, by field.
func (f formData) check(v view, now time.Time) map[string]string {
	wrong := map[string]string{}
	if !validEmail(f.Email) {
		wrong["email"] = "Enter an e-mail address, such as you@example.com."
	}
	if v.AskPhone && f.Phone == "" {
		wrong["phone"] = "Enter a phone number."
	}
	if v.AskShipping {
		for field, value := range map[string]string{"name": f.Name, "line1": f.Line1, "city": f.City} {
			if value == "" {
				wrong[field] = "This field is needed for the delivery."
			}
		}
		if !slices.Contains(v.Countries, f.Country) {
			wrong["country"] = "Choose a country."
		}
	}
	if v.AskMethod && f.Method == "card" {
		f.checkCard(wrong, now)
	}
	return wrong
}

func (f formData) checkCard(wrong map[string]string, now time.Time) {
	if number := PaymentMethod(digits(f.Number)); number == "" {
		wrong["number"] = "Enter a card number."
	} else if !slices.ContainsFunc(testCards, func(c testCard) bool { return c.Method == number }) {
		wrong["number"] = "This is not one of the test cards. Real cards are refused here."
	}
	expiry := digits(f.Expiry)
	if end, err := time.Parse("0106", expiry); err != nil {
		wrong["expiry"] = "Enter month and year, such as 12 / 34."
	} else if !now.Before(end.AddDate(0, 1, 0)) {
		wrong["expiry"] = "This date is in the past."
	}
	if cvc := digits(f.CVC); len(cvc) != 3 || cvc != f.CVC {
		wrong["cvc"] = "Enter three digits."
	}
}

func (f formData) paymentMethod() PaymentMethod {
	if f.Method == "debit" {
		return BankDebit
	}
	number := PaymentMethod(digits(f.Number))
	if number == "" {
		return CardOK // nothing to pay: no card was asked for
	}
	return number
}

func (f formData) buyer() Buyer {
	return Buyer{Email: f.Email, Name: f.Name, Phone: f.Phone, Address: Address{
		Line1: f.Line1, Line2: f.Line2, City: f.City, State: f.State, PostalCode: f.PostalCode, Country: f.Country,
	}}
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}
