package checkouttest

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"time"
)

// redirectWait is how long the page waits for the webhook's answer before it sends the customer back to the shop.
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
	if card := r.PostFormValue("fill"); card != "" { // a button beside a test card
		v.Form.Method, v.Form.Number, v.Form.Expiry, v.Form.CVC = "card", spaced(card), "12 / 34", "123"
		v.render(w, http.StatusOK)
		return
	}
	if v.ShowsForm() {
		if v.Errors = v.Form.check(v, s.Now()); len(v.Errors) > 0 {
			v.Alert = "Please look at the fields marked below."
			if v.Errors["number"] != "" {
				v.Form.Number = "" // it may be a real card's
			}
			v.render(w, http.StatusUnprocessableEntity)
			return
		}
	}
	var challenge bool
	err := s.locked(v.ID, func(sess *session) (err error) {
		challenge, err = s.pay(sess, v.Form.paymentMethod(), v.Form.buyer())
		return err
	})
	if challenge {
		http.Redirect(w, r, "/c/pay/"+v.ID+"/authenticate", http.StatusSeeOther)
		return
	}
	s.afterPaying(w, r, v, err)
}

// afterPaying answers a form by what became of the payment.
func (s *Server) afterPaying(w http.ResponseWriter, r *http.Request, v view, err error) {
	var refused *PaymentError
	switch {
	case errors.As(err, &refused):
		v.Alert = refused.Message
		v.Form.Refused = true
		v.render(w, http.StatusPaymentRequired)
	case err == nil, errors.Is(err, ErrComplete): // the second of two clicks ends where the first did
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
	case errors.Is(err, ErrNotPending): // a challenge that is no longer open
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
	err := s.locked(v.ID, func(sess *session) error { return s.authenticated(sess, passed) })
	s.afterPaying(w, r, v, err)
}

// render shows the view that fits the session's status.
func (v view) render(w http.ResponseWriter, status int) {
	if v.ShowsForm() {
		render(w, status, "pay", v)
		return
	}
	render(w, status, v.Status, v)
}

// ShowsForm says whether the page is the form, or a notice of what became of the session.
func (v view) ShowsForm() bool { return v.Status == "open" || v.Late }

func render(w http.ResponseWriter, status int, name string, v view) {
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
func spaced(number string) string {
	var b strings.Builder
	for i, c := range number {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}
