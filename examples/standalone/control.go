package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/examples/internal/loopback"
)

//go:embed templates/control.html
var templateFiles embed.FS

//go:embed templates/style.css
var styleSheet []byte

var templates = template.Must(template.New("").Funcs(template.FuncMap{"when": when}).ParseFS(templateFiles, "templates/control.html"))

// A control is the page on which a person plays the customer, the bank and time.
type control struct {
	test       *checkouttest.Server
	webhookURL string
	log        *slog.Logger
}

// A method is a way to pay that the page offers.
type method struct {
	ID     checkouttest.PaymentMethod
	Effect string
}

var methods = []method{
	{checkouttest.CardOK, "Card that is paid"},
	{checkouttest.CardDeclined, "Card that is declined"},
	{checkouttest.CardInsufficientFunds, "Card that lacks funds"},
	{checkouttest.CardExpired, "Card that has expired"},
	{checkouttest.Card3DS, "Card with 3-D Secure, completed"},
	{checkouttest.CardRefundPending, "Card whose refunds are pending first"},
	{checkouttest.CardRefundFails, "Card whose refunds fail later"},
	{checkouttest.BankDebit, "Bank debit"},
}

// notices say what a button has done, by the name of its action. The redirect after the action names the notice.
var notices = map[string]string{
	"pay":           "The customer has completed the checkout.",
	"settle":        "The bank debit has settled.",
	"bounce":        "The bank debit has bounced.",
	"refund":        "The payment is refunded.",
	"settle-refund": "The refund has succeeded.",
	"fail-refund":   "The refund has failed.",
	"dispute":       "The customer disputes the payment.",
	"win-dispute":   "The dispute is won.",
	"lose-dispute":  "The dispute is lost.",
	"advance":       "Time has passed, and everything due has happened.",
	"redeliver":     "The event was delivered once more.",
}

var errForm = errors.New("fill in the form with a number in its range")

// actions are the actions of the buttons. Each waits until the receivers have answered the webhooks that it causes.
func (c *control) actions() map[string]func(r *http.Request) error {
	return map[string]func(r *http.Request) error{
		"pay": func(r *http.Request) error {
			return c.test.Pay(r.PostFormValue("session"), checkouttest.PaymentMethod(r.PostFormValue("method")))
		},
		"settle": func(r *http.Request) error { return c.test.Settle(r.PostFormValue("session")) },
		"bounce": func(r *http.Request) error { return c.test.Bounce(r.PostFormValue("session")) },
		"refund": func(r *http.Request) error {
			amount, err := strconv.ParseInt(r.PostFormValue("amount"), 10, 64)
			if err != nil || amount < 1 {
				return errForm
			}
			_, err = c.test.Refund(r.PostFormValue("session"), amount)
			return err
		},
		"settle-refund": func(r *http.Request) error { return c.test.SettleRefund(r.PostFormValue("refund")) },
		"fail-refund":   func(r *http.Request) error { return c.test.FailRefund(r.PostFormValue("refund")) },
		"dispute": func(r *http.Request) error {
			_, err := c.test.Dispute(r.PostFormValue("session"))
			return err
		},
		"win-dispute":  func(r *http.Request) error { return c.test.WinDispute(r.PostFormValue("dispute")) },
		"lose-dispute": func(r *http.Request) error { return c.test.LoseDispute(r.PostFormValue("dispute")) },
		"advance": func(r *http.Request) error {
			hours, err := strconv.Atoi(r.PostFormValue("hours"))
			if err != nil || hours < 1 || hours > 366*24 {
				return errForm
			}
			c.test.Advance(time.Duration(hours) * time.Hour)
			return nil
		},
		"redeliver": func(r *http.Request) error { return c.test.Redeliver(r.PostFormValue("event")) },
	}
}

// handler serves the control page and its actions.
func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		c.show(w, r, http.StatusOK, "")
	})
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(styleSheet)
	})
	for name, do := range c.actions() {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			err := do(r)
			var refused *checkouttest.PaymentError
			switch {
			case err == nil:
				http.Redirect(w, r, "/?done="+name, http.StatusSeeOther)
			case errors.As(err, &refused):
				c.show(w, r, http.StatusPaymentRequired, refused.Message)
			case errors.Is(err, errForm):
				c.show(w, r, http.StatusBadRequest, "That can’t be done: "+err.Error()+".")
			default:
				c.show(w, r, http.StatusConflict, "That can’t be done: "+err.Error()+".")
			}
		})
	}
	// Other sites must not press the buttons, and the page takes no uploads.
	return loopback.Only("this page is for this machine only",
		http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, maxForm)))
}

// maxForm is the number of bytes that a form may have.
const maxForm = 16 << 10

func (c *control) show(w http.ResponseWriter, r *http.Request, status int, alert string) {
	v, err := c.view(r.Context())
	if r.Context().Err() != nil {
		return // the visitor closed the page
	}
	if err != nil {
		c.log.Error("page failed", "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	v.Alert = alert
	if alert == "" {
		v.Notice = notices[r.URL.Query().Get("done")]
	}
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "control.html", v); err != nil {
		c.log.Error("page failed", "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
