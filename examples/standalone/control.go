package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

//go:embed templates/control.html
var templateFiles embed.FS

//go:embed templates/style.css
var styleSheet []byte

var templates = template.Must(template.New("").Funcs(template.FuncMap{"when": when}).ParseFS(templateFiles, "templates/control.html"))

// A control is the page on which a person plays the customer, the bank and time, and the API on which a program does.
type control struct {
	accounts *accounts
	log      *slog.Logger
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
	{checkouttest.BankTransfer, "Bank transfer"},
}

// notices say what a button has done, by the name of its action. The redirect after the action names the notice.
var notices = map[string]string{
	"pay":           "The customer has completed the checkout.",
	"settle":        "The bank debit has settled.",
	"bounce":        "The bank debit has bounced.",
	"transfer":      "The bank transfer has arrived.",
	"refund":        "The payment is refunded.",
	"settle-refund": "The refund has succeeded.",
	"fail-refund":   "The refund has failed.",
	"dispute":       "The customer disputes the payment.",
	"win-dispute":   "The dispute is won.",
	"lose-dispute":  "The dispute is lost.",
	"advance":       "Time has passed, and everything due has happened.",
	"redeliver":     "The event was delivered once more.",
}

// actions are the commands of the buttons, with the form field that names the object.
var actions = map[string]string{
	"pay": "session", "settle": "session", "bounce": "session", "transfer": "session", "refund": "session", "dispute": "session",
	"settle-refund": "refund", "fail-refund": "refund", "win-dispute": "dispute", "lose-dispute": "dispute",
	"advance": "", "redeliver": "event",
}

// press runs the command of a button. It waits until the receivers have answered the webhooks that the command causes.
func (c *control) press(acc *account, action string, r *http.Request) error {
	cmd := command{Do: action, ID: r.PostFormValue(actions[action]), Method: r.PostFormValue("method")}
	var err error
	switch action {
	case "refund", "transfer":
		cmd.Amount, err = strconv.ParseInt(r.PostFormValue("amount"), 10, 64)
	case "advance":
		var hours int64
		hours, err = strconv.ParseInt(r.PostFormValue("hours"), 10, 32)
		cmd.Seconds = hours * 60 * 60
	}
	if err != nil {
		return errInput
	}
	if err := cmd.check(); err != nil {
		return err
	}
	_, err = c.accounts.run(acc, cmd)
	return err
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
	for name := range actions {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			acc := c.accounts.byName(r.URL.Query().Get("account"))
			if acc == nil {
				http.NotFound(w, r)
				return
			}
			err := c.press(acc, name, r)
			var refused *checkouttest.PaymentError
			switch {
			case err == nil:
				http.Redirect(w, r, "/?account="+acc.name+"&done="+name, http.StatusSeeOther)
			case errors.As(err, &refused):
				c.show(w, r, http.StatusPaymentRequired, refused.Message)
			case errors.Is(err, errInput):
				c.show(w, r, http.StatusBadRequest, "That can’t be done: "+err.Error()+".")
			default:
				c.show(w, r, http.StatusConflict, "That can’t be done: "+err.Error()+".")
			}
		})
	}
	c.apiRoutes(mux)
	// Other sites must not press the buttons, and the page takes no uploads.
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, maxForm))
}

// maxForm is the number of bytes that a form may have.
const maxForm = 16 << 10

func (c *control) show(w http.ResponseWriter, r *http.Request, status int, alert string) {
	acc := c.accounts.byName(r.URL.Query().Get("account"))
	if acc == nil {
		http.NotFound(w, r)
		return
	}
	v, err := c.view(r.Context(), acc)
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
