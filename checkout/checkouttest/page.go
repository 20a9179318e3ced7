package checkouttest

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
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
		"GET /b/{slug}":                 s.followLink,
		"GET /p/session/{id}":           s.showPortal,
		"POST /p/session/{id}":          s.submitPortal,
		"GET /receipts/payment/{id}":    s.showReceipt,

		"GET /bank_transfers/instructions/{id}": s.showTransfer,
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
		s.showUnknown(w, r)
		return
	}
	v.Form = v.emptyForm()
	v.render(w, http.StatusOK)
}

func (s *Server) submitPay(w http.ResponseWriter, r *http.Request) {
	v, ok := s.view(r)
	if !ok {
		s.showUnknown(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	v.Form = readForm(r, &v)
	if card := r.PostFormValue("fill"); card != "" { // the button of a test card
		v.Form.fillIn(&v, PaymentMethod(card))
		v.render(w, http.StatusOK)
		return
	}
	if v.ShowsForm() && r.PostFormValue("basket") != "" { // a button beside the order
		s.submitBasket(w, r, v)
		return
	}
	if v.ShowsForm() {
		v.Errors = v.Form.check(&v, s.Now())
		if len(v.Errors) > 0 {
			v.refuse(w)
			return
		}
	}
	if v.ShowsForm() && s.addTax(&v) {
		form := v.Form
		v, _ = s.view(r)
		v.Form, v.Alert = form, v.Say("The tax of your country changes the total. Please look at it, and pay again.")
		v.render(w, http.StatusOK)
		return
	}
	var challenge bool
	err := s.withSession(v.ID, func(sess *session) error {
		var err error
		s.onPage(func() { challenge, err = s.pay(sess, v.Form.paymentMethod(), v.Form.buyer(&v)) })
		return err
	})
	if challenge {
		http.Redirect(w, r, "/c/pay/"+v.ID+"/authenticate", http.StatusSeeOther)
		return
	}
	s.afterPaying(w, r, v, err)
}

// addTax adds the automatic tax of the customer's country. It reports whether that changes the total that the customer has seen.
func (s *Server) addTax(v *view) (changed bool) {
	_ = s.withSession(v.ID, func(sess *session) error { // the session was there a moment ago
		if sess.str("status") == "open" {
			changed = s.taxAutomatically(sess, v.Form.buyer(v))
		}
		return nil
	})
	return changed
}

// submitBasket changes what the customer buys, and shows the form again.
func (s *Server) submitBasket(w http.ResponseWriter, r *http.Request, v view) {
	v.Errors = map[string]string{}
	v.Form.checkBasket(&v, v.Errors)
	if len(v.Errors) > 0 {
		v.refuse(w)
		return
	}
	form := v.Form
	err := s.withSession(v.ID, func(sess *session) error {
		switch {
		case sess.str("status") != "open":
			return ErrExpired
		case r.PostFormValue("basket") == "remove-code":
			sess.reduction = reduction{}
			s.total(sess)
			return nil
		}
		return s.changeBasket(sess, form.basket())
	})
	if err != nil {
		s.afterPaying(w, r, v, err)
		return
	}
	v, _ = s.view(r)
	form.PromotionCode, form.Quantities, form.Extras = "", nil, nil // the order shows them now
	v.Form = form
	v.render(w, http.StatusOK)
}

// afterPaying answers a form with the outcome of the payment.
func (s *Server) afterPaying(w http.ResponseWriter, r *http.Request, v view, err error) {
	var refused *PaymentError
	switch {
	case errors.As(err, &refused):
		v.Alert = v.Say(refused.Message) + " " + v.Say("You have not been charged.")
		if refused != authenticationFailed { // that message says what to do
			v.Alert += " " + v.Say("Try again or use another payment method.")
		}
		v.render(w, http.StatusPaymentRequired)
	case err == nil, errors.Is(err, ErrComplete): // the second of two clicks ends like the first
		s.flushFor(redirectWait)
		if v.Form.paymentMethod() == BankTransfer {
			if to := s.instructionsURL(v.ID); to != "" {
				http.Redirect(w, r, to, http.StatusSeeOther)
				return
			}
		}
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
		v.Errors = map[string]string{"promotionCode": v.Say("This code is invalid.")}
		v.refuse(w)
	case errors.Is(err, ErrNotPending): // the challenge is over
		http.Redirect(w, r, "/c/pay/"+v.ID, http.StatusSeeOther)
	default:
		v.Alert = v.Say("This session does not offer that payment method.")
		v.render(w, http.StatusUnprocessableEntity)
	}
}

func (s *Server) showChallenge(w http.ResponseWriter, r *http.Request) {
	v, ok := s.view(r)
	switch {
	case !ok:
		s.showUnknown(w, r)
	case v.Status != "open" || !v.Challenge:
		http.Redirect(w, r, "/c/pay/"+v.ID, http.StatusSeeOther)
	default:
		render(w, http.StatusOK, "authenticate", &v)
	}
}

func (s *Server) submitChallenge(w http.ResponseWriter, r *http.Request) {
	v, ok := s.view(r)
	if !ok {
		s.showUnknown(w, r)
		return
	}
	v.Form = v.emptyForm()
	passed := r.PostFormValue("result") == "complete"
	err := s.withSession(v.ID, func(sess *session) error {
		var err error
		s.onPage(func() { err = s.authenticate3DS(sess, passed) })
		return err
	})
	s.afterPaying(w, r, v, err)
}

// showUnknown answers a request for a page that does not exist. The page links back to where the customer came from.
func (s *Server) showUnknown(w http.ResponseWriter, r *http.Request) {
	render(w, http.StatusNotFound, "unknown", struct {
		language
		Back string
	}{pageLanguage("", r), webURL(r.Referer())})
}

// render shows the page that fits the session's status.
func (v *view) render(w http.ResponseWriter, status int) {
	if len(v.Pictures) > 0 {
		w.Header().Set("Content-Security-Policy", contentPolicy(v.Pictures))
	}
	if v.ShowsForm() {
		render(w, status, "pay", v)
		return
	}
	render(w, status, v.Status, v)
}

// refuse shows the form again, with what is wrong with it.
func (v *view) refuse(w http.ResponseWriter) {
	v.Alert = v.Say("Please look at the fields marked below.")
	if v.Errors["cardNumber"] != "" {
		v.Form.Number = "" // it may be the number of a real card
	}
	v.render(w, http.StatusUnprocessableEntity)
}

// ShowsForm reports whether the page is the form. Otherwise it is a notice about the session.
func (v *view) ShowsForm() bool { return v.Status == "open" || v.Late }

// contentPolicy lets a page load the style sheet and pictures from the origins given. The page has no scripts.
func contentPolicy(pictures []string) string {
	return "default-src 'none'; style-src 'self'; img-src " + strings.Join(append([]string{"data:"}, pictures...), " ") + "; base-uri 'none'; frame-ancestors 'none'"
}

// pages are buffers for pages. A page has some 15 KB.
var pages = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func render(w http.ResponseWriter, status int, name string, v any) {
	b := pages.Get().(*bytes.Buffer)
	defer pages.Put(b)
	b.Reset()
	if err := templates.ExecuteTemplate(b, name, v); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if h.Get("Content-Security-Policy") == "" {
		h.Set("Content-Security-Policy", contentPolicy(nil))
	}
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Vary", "Accept-Language")
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

// webURL returns u if a page may link to it, and "" otherwise. newSession has checked u already; this check is the last
// before a browser sees it.
func webURL(u string) string {
	if parsed, err := url.Parse(u); err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.Host == "" {
		return ""
	}
	return u
}

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css
var styleSheet []byte

var templates = template.Must(template.New("").Funcs(template.FuncMap{"spaced": spaced, "field": field}).ParseFS(templateFiles, "templates/*.html"))
