package checkouttest

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// redirectWait is the time for which the page waits for the webhook's answer before it sends the customer back to the shop.
// https://docs.stripe.com/checkout/fulfillment
const redirectWait = 10 * time.Second

func (s *Server) pageRoutes(mux *http.ServeMux) {
	crossOrigin := http.NewCrossOriginProtection()
	for route, serve := range map[string]http.HandlerFunc{
		"GET /c/pay/{id}":               s.showPay,
		"POST /c/pay/{id}":              s.submitPay,
		"GET /c/pay/{id}/authenticate":  s.showChallenge,
		"POST /c/pay/{id}/authenticate": s.submitChallenge,
		"GET /c/recover/{id}":           s.followRecovery,
		"GET /p/session/{id}":           s.showPortal,
		"POST /p/session/{id}":          s.submitPortal,
	} {
		mux.Handle(route, crossOrigin.Handler(serve))
	}
	mux.HandleFunc("GET /c/style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(styleSheet)
	})
}

func (s *Server) showPay(w http.ResponseWriter, r *http.Request) {
	v, ok := s.view(r)
	if !ok {
		render(w, http.StatusNotFound, "unknown", v)
		return
	}
	v.Form = formData{Email: v.Email, Method: v.firstMethod()}
	v.render(w, http.StatusOK)
}

func (s *Server) submitPay(w http.ResponseWriter, r *http.Request) {
	v, ok := s.view(r)
	if !ok {
		render(w, http.StatusNotFound, "unknown", v)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	v.Form = readForm(r, v)
	if card := r.PostFormValue("fill"); card != "" { // the button beside a test card
		v.Form.Method, v.Form.Number, v.Form.Expiry, v.Form.CVC = "card", spaced(PaymentMethod(card)), "12 / 34", "123"
		v.render(w, http.StatusOK)
		return
	}
	if v.ShowsForm() {
		v.Errors = v.Form.check(v, s.Now())
		if len(v.Errors) > 0 {
			v.Alert = "Please look at the fields marked below."
			if v.Errors["number"] != "" {
				v.Form.Number = "" // it may be the number of a real card
			}
			v.render(w, http.StatusUnprocessableEntity)
			return
		}
	}
	var challenge bool
	err := s.withSession(v.ID, func(sess *session) error {
		var err error
		s.onPage(func() { challenge, err = s.pay(sess, v.Form.paymentMethod(), v.Form.buyer()) })
		return err
	})
	if challenge {
		http.Redirect(w, r, "/c/pay/"+v.ID+"/authenticate", http.StatusSeeOther)
		return
	}
	s.afterPaying(w, r, v, err)
}

// afterPaying answers a form with the outcome of the payment.
func (s *Server) afterPaying(w http.ResponseWriter, r *http.Request, v view, err error) {
	var refused *PaymentError
	switch {
	case errors.As(err, &refused):
		v.Alert = refused.Message + " You have not been charged."
		if refused != authenticationFailed { // that message says what to do
			v.Alert += " Try again or use another payment method."
		}
		v.render(w, http.StatusPaymentRequired)
	case err == nil, errors.Is(err, ErrComplete): // the second of two clicks ends like the first
		s.flushFor(redirectWait)
		if v.ReturnURL == "" {
			v.Status = "complete"
			v.render(w, http.StatusOK)
			return
		}
		http.Redirect(w, r, v.ReturnURL, http.StatusSeeOther)
	case errors.Is(err, ErrExpired):
		v.Status, v.Late = "expired", false
		v.render(w, http.StatusConflict)
	case errors.Is(err, ErrPromotionCode):
		v.Errors = map[string]string{"promotion_code": "This code is invalid."}
		v.render(w, http.StatusUnprocessableEntity)
	case errors.Is(err, ErrNotPending): // the challenge is over
		http.Redirect(w, r, "/c/pay/"+v.ID, http.StatusSeeOther)
	default:
		v.Alert = "This session does not offer that payment method."
		v.render(w, http.StatusUnprocessableEntity)
	}
}

func (s *Server) showChallenge(w http.ResponseWriter, r *http.Request) {
	v, ok := s.view(r)
	switch {
	case !ok:
		render(w, http.StatusNotFound, "unknown", v)
	case v.Status != "open" || !v.Challenge:
		http.Redirect(w, r, "/c/pay/"+v.ID, http.StatusSeeOther)
	default:
		render(w, http.StatusOK, "authenticate", v)
	}
}

func (s *Server) submitChallenge(w http.ResponseWriter, r *http.Request) {
	v, ok := s.view(r)
	if !ok {
		render(w, http.StatusNotFound, "unknown", v)
		return
	}
	v.Form = formData{Email: v.Email, Method: "card"}
	passed := r.PostFormValue("result") == "complete"
	err := s.withSession(v.ID, func(sess *session) error {
		var err error
		s.onPage(func() { err = s.authenticate3DS(sess, passed) })
		return err
	})
	s.afterPaying(w, r, v, err)
}

// render shows the page that fits the session's status.
func (v view) render(w http.ResponseWriter, status int) {
	if v.ShowsForm() {
		render(w, status, "pay", v)
		return
	}
	render(w, status, v.Status, v)
}

// ShowsForm reports whether the page is the form. Otherwise it is a notice about the session.
func (v view) ShowsForm() bool { return v.Status == "open" || v.Late }

func render(w http.ResponseWriter, status int, name string, v any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// spaced writes a card number in groups of four.
func spaced(number PaymentMethod) string {
	var b strings.Builder
	for i, c := range number {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// formData is the payment form as the customer filled it in.
type formData struct {
	Email, Name, Phone                             string
	Line1, Line2, City, State, PostalCode, Country string
	Method                                         string // card or debit
	Number, Expiry, CVC                            string
	PromotionCode                                  string
}

func readForm(r *http.Request, v view) formData {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	f := formData{
		Email: get("email"), Name: get("name"), Phone: get("phone"),
		Line1: get("line1"), Line2: get("line2"), City: get("city"), State: get("state"), PostalCode: get("postal_code"), Country: strings.ToUpper(get("country")),
		Method: get("method"), Number: get("number"), Expiry: get("expiry"), CVC: get("cvc"),
		PromotionCode: get("promotion_code"),
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
	} else if number == badNumber {
		wrong["number"] = "Your card number is invalid."
	} else if !number.isCard() {
		wrong["number"] = "This is not one of the test cards. Real cards are refused here."
	}
	expiry := digits(f.Expiry)
	if end, err := time.Parse("0106", expiry); err != nil {
		wrong["expiry"] = "Enter month and year, such as 12 / 34."
	} else if !now.Before(end.AddDate(0, 1, 0)) {
		wrong["expiry"] = "This date is in the past."
	}
	wanted, hint := 3, "Enter three digits."
	if card := cardByNumber(PaymentMethod(digits(f.Number))); card != nil && card.brand == "amex" {
		wanted, hint = 4, "Enter four digits."
	}
	if cvc := digits(f.CVC); len(cvc) != wanted || cvc != f.CVC {
		wrong["cvc"] = hint
	}
}

func (f formData) paymentMethod() PaymentMethod {
	if f.Method == "debit" {
		return BankDebit
	}
	number := PaymentMethod(digits(f.Number))
	if number == "" {
		return CardOK // the form asks for no card when there is nothing to pay
	}
	return number
}

func (f formData) buyer() Buyer {
	return Buyer{Email: f.Email, Name: f.Name, Phone: f.Phone, PromotionCode: f.PromotionCode, Address: Address{
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

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css
var styleSheet []byte

var templates = template.Must(template.New("").Funcs(template.FuncMap{"spaced": spaced, "field": field}).ParseFS(templateFiles, "templates/*.html"))

// A view is what the page shows of a session.
type view struct {
	ID, Status, PaymentStatus string
	Lines                     []viewLine
	Shipping, Total           string // Shipping is empty without one
	Verb                      string // on the button
	Email                     string
	EmailFixed                bool
	AskMethod                 bool // there is something to pay, or a card to save
	OffersCard, OffersDebit   bool
	AskPhone, AskShipping     bool
	AskCode                   bool   // the customer may type a promotion code
	Discount                  string // empty without one
	Late                      bool   // the page shows the form although the session has expired
	Countries                 []string
	CancelURL, ReturnURL      string
	Challenge                 bool // the customer must authenticate
	Cards                     []testCard

	Form   formData
	Alert  string
	Errors map[string]string
}

type viewLine struct {
	Name, Detail, Amount string
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
	total, _ := o["amount_total"].(int64)
	v := view{
		ID: sess.id(), Status: o.str("status"), PaymentStatus: o.str("payment_status"), Verb: "Complete order",
		Email: o.str("customer_email"), EmailFixed: o["customer_email"] != nil,
		AskMethod: sess.asksForMethod(), OffersCard: sess.offers("card"), OffersDebit: sess.offersDebit(),
		AskCode: o["allow_promotion_codes"] == true, AskPhone: p.Get("phone_number_collection", "enabled").Bool(), AskShipping: p.Get("shipping_address_collection") != nil,
		Countries: p.Get("shipping_address_collection", "allowed_countries").Strings(),
		Late:      s.expiredForm && o["status"] == "expired",
		CancelURL: webURL(o.str("cancel_url")), ReturnURL: webURL(sess.returnURL()),
		Challenge: sess.method.asks(), Cards: cardsOnThePage(),
	}
	if v.Email == "" {
		v.Email = sess.buyer.Email // from an earlier try, with a card that was refused
	}
	for _, line := range sess.lines {
		quantity, price := line["quantity"].(int64), line["price"].(object)
		shown := viewLine{Name: line.str("description"), Amount: money(line["amount_subtotal"].(int64), line.str("currency"))}
		var details []string
		if unit, ok := price["unit_amount"].(int64); ok && quantity > 1 {
			details = append(details, fmt.Sprintf("%d × %s", quantity, money(unit, line.str("currency"))))
		} else if quantity > 1 {
			details = append(details, fmt.Sprintf("Quantity %d", quantity))
		}
		if recurring, ok := price["recurring"].(object); ok {
			details = append(details, "every "+recurring.str("interval"))
		}
		shown.Detail = strings.Join(details, ", ")
		v.Lines = append(v.Lines, shown)
	}
	if cost, ok := o["shipping_cost"].(object); ok {
		v.Shipping = money(cost["amount_total"].(int64), o.str("currency"))
	}
	if totals, ok := o["total_details"].(object); ok && totals["amount_discount"] != int64(0) {
		v.Discount = "-" + money(totals["amount_discount"].(int64), o.str("currency"))
	}
	if o.str("mode") != "setup" {
		v.Total = money(total, o.str("currency"))
	}
	switch {
	case o.str("mode") == "setup":
		v.Verb = "Save payment method"
	case total > 0 && o.str("mode") == "subscription":
		v.Verb = "Subscribe for " + v.Total
	case total > 0:
		v.Verb = "Pay " + v.Total
	}
	return v, true
}

func (v view) firstMethod() string {
	if !v.OffersCard && v.OffersDebit {
		return "debit"
	}
	return "card"
}

// webURL returns u if a page may link to it, and "" otherwise. newSession has checked u already; this check is the last
// before a browser sees it.
func webURL(u string) string {
	if parsed, err := url.Parse(u); err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return ""
	}
	return u
}

// A fieldView is one input of the form.
type fieldView struct {
	Name, Label, Value, Error, Type, Autocomplete, Hint string
	Fixed, Numeric                                      bool
}

// field makes an input for the template. attrs are pairs of name and value.
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
