package checkouttest

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css
var styleSheet []byte

var templates = template.Must(template.New("").Funcs(template.FuncMap{"spaced": spaced, "field": field}).ParseFS(templateFiles, "templates/*.html"))

// testCard is one of the cards that the page lists.
type testCard struct {
	Method PaymentMethod
	Effect string
}

// Number is the card's number.
func (c testCard) Number() string { return string(c.Method) }

var testCards = []testCard{
	{CardOK, "is paid"},
	{CardDeclined, "is declined"},
	{CardInsufficientFunds, "lacks funds"},
	{CardExpired, "has expired"},
	{Card3DS, "asks to authenticate"},
}

// view is what the page shows of a session.
type view struct {
	ID, Status, PaymentStatus string
	Lines                     []viewLine
	Shipping, Total           string // Shipping is empty without one
	Verb                      string // what the button says
	Email                     string
	EmailFixed                bool
	AskMethod                 bool // there is something to pay, or a card to save
	OffersCard, OffersDebit   bool
	AskPhone, AskShipping     bool
	Late                      bool // the form is shown although the session has expired
	Countries                 []string
	CancelURL, ReturnURL      string
	Challenge                 bool // waiting for 3-D Secure
	Cards                     []testCard

	Form   formData
	Alert  string
	Errors map[string]string
}

type viewLine struct {
	Name, Detail, Amount string
}

// view reads the session that a page's path names.
func (s *Server) view(r *http.Request) (view, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.sessions[r.PathValue("id")]
	if sess == nil {
		return view{}, false
	}
	s.refresh(sess)
	o, p := sess.object, sess.sent
	total, _ := o["amount_total"].(int64)
	v := view{
		ID: sess.id(), Status: o.str("status"), PaymentStatus: o.str("payment_status"), Verb: "Complete order",
		Email: o.str("customer_email"), EmailFixed: o["customer_email"] != nil,
		AskMethod: total > 0 || o.str("mode") != "payment", OffersCard: sess.offers("card"), OffersDebit: sess.offersDebit(),
		AskPhone: p.get("phone_number_collection", "enabled").bool(), AskShipping: p.get("shipping_address_collection") != nil,
		Countries: p.get("shipping_address_collection", "allowed_countries").strings(),
		Late:      s.lateForm && o["status"] == "expired",
		CancelURL: webURL(o.str("cancel_url")), ReturnURL: webURL(sess.returnURL()),
		Challenge: sess.method == Card3DS, Cards: testCards,
	}
	if v.Email == "" {
		v.Email = sess.buyer.Email // given before, with a card that was refused
	}
	for _, line := range sess.lines {
		quantity, price := line["quantity"].(int64), line["price"].(object)
		shown := viewLine{Name: line.str("description"), Amount: money(line["amount_total"].(int64), line.str("currency"))}
		if unit, ok := price["unit_amount"].(int64); ok && quantity > 1 {
			shown.Detail = fmt.Sprintf("%d × %s", quantity, money(unit, line.str("currency")))
		} else if quantity > 1 {
			shown.Detail = fmt.Sprintf("Quantity %d", quantity)
		}
		if every, ok := price["recurring"].(object); ok {
			shown.Detail = strings.TrimPrefix(shown.Detail+", every "+every.str("interval"), ", ")
		}
		v.Lines = append(v.Lines, shown)
	}
	if cost, ok := o["shipping_cost"].(object); ok {
		v.Shipping = money(cost["amount_total"].(int64), o.str("currency"))
	}
	switch mode := o.str("mode"); {
	case mode == "setup":
		v.Verb = "Save payment method"
	case total > 0:
		v.Total = money(total, o.str("currency"))
		v.Verb = map[string]string{"payment": "Pay ", "subscription": "Subscribe for "}[mode] + v.Total
	default:
		v.Total = money(0, o.str("currency"))
	}
	return v, true
}

func (v view) firstMethod() string {
	if !v.OffersCard && v.OffersDebit {
		return "debit"
	}
	return "card"
}

// webURL is u if a page may link to it: checked when the session was created, and once more before it is shown.
func webURL(u string) string {
	if parsed, err := url.Parse(u); err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return ""
	}
	return u
}

// Currencies without minor units, and with three decimals: https://docs.stripe.com/currencies
var (
	zeroDecimal  = strings.Fields("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
	threeDecimal = strings.Fields("bhd jod kwd omr tnd")
	symbols      = map[string]string{"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}
)

// money writes an amount of minor units for people.
func money(amount int64, currency string) string {
	decimals, unit := 2, int64(100)
	switch {
	case slices.Contains(zeroDecimal, currency):
		decimals, unit = 0, 1
	case slices.Contains(threeDecimal, currency):
		decimals, unit = 3, 1000
	}
	whole := fmt.Sprint(amount / unit)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if decimals > 0 {
		whole += fmt.Sprintf(".%0*d", decimals, amount%unit)
	}
	if symbol := symbols[currency]; symbol != "" {
		return symbol + whole
	}
	return whole + " " + strings.ToUpper(currency)
}

// fieldView is one input of the form.
type fieldView struct {
	Name, Label, Value, Error, Type, Autocomplete, Hint string
	Fixed, Numeric                                      bool
}

// field makes an input for the template: attributes come as pairs of name and value.
func field(v view, name, label, value string, attrs ...string) fieldView {
	f := fieldView{Name: name, Label: label, Value: value, Error: v.Errors[name], Type: "text", Autocomplete: "off"}
	for i := 0; i+1 < len(attrs); i += 2 {
		switch attrs[i] {
		case "type":
			f.Type = attrs[i+1]
		case "autocomplete":
			f.Autocomplete = attrs[i+1]
		case "hint":
			f.Hint = attrs[i+1]
		case "inputmode":
			f.Numeric = attrs[i+1] == "numeric"
		}
	}
	f.Fixed = name == "email" && v.EmailFixed
	return f
}
