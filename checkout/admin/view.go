package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css
var style []byte

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"money": checkout.FormatAmount, "total": checkout.Total, "display": display, "when": when, "iso": iso, "short": short, "address": address,
	"step": stepLabel, "state": attemptState, "heading": heading, "words": words, "sentence": sentence, "upper": strings.ToUpper,
	"list": func(values ...any) []any { return values },
}).ParseFS(templateFiles, "templates/*.html"))

// page is the part that all pages share.
type page struct {
	Title string
	Here  string // the navigation's link to this page
	Root  string // leads from this page to the first
	Data  any
}

// message is a page that says one thing.
type message struct {
	Text, Link, Label string
}

func (p *pages) message(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	p.render(w, r, status, "message", page{Title: title, Here: "orders", Data: message{text, "", "Back to the orders"}})
}

// orderMessage is a message about an order.
func (p *pages) orderMessage(w http.ResponseWriter, r *http.Request, status int, id, title, text string) {
	p.render(w, r, status, "message", page{Title: title, Here: "orders", Data: message{text, "orders/" + id, "Back to the order"}})
}

func (p *pages) notFound(w http.ResponseWriter, r *http.Request) {
	p.message(w, r, http.StatusNotFound, "There is no such page", "The address may be mistyped.")
}

// failed answers a request that the Store did not answer.
func (p *pages) failed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the person closed the page
	}
	p.Logger.ErrorContext(r.Context(), "admin page failed", "error", err)
	p.message(w, r, http.StatusInternalServerError, "The page could not be made", "The database did not answer as it should: the log says more. Try again in a moment.")
}

// redirect leads to a place that is relative to the page, as the handler does not know where it is mounted.
func redirect(w http.ResponseWriter, relative string) {
	w.Header().Set("Location", relative)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, shown page) {
	shown.Root = "./" + strings.Repeat("../", max(0, strings.Count(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")))
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, shown); err != nil {
		p.Logger.ErrorContext(r.Context(), "admin page failed", "page", name, "error", err)
		http.Error(w, "the page could not be made: see the log", http.StatusInternalServerError)
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

var styleTag = func() string {
	sum := sha256.Sum256(style)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}()

func serveStyle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", styleTag)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "style.css", time.Time{}, bytes.NewReader(style))
}

// badge is how a status looks.
type badge struct{ Label, Tone string }

var displays = map[checkout.DisplayStatus]badge{
	checkout.Fulfilled: {"Fulfilled", "good"}, "paid": {"Paid", "wait"}, "processing": {"Money on its way", "wait"}, "open": {"Being paid", "wait"},
	"draft": {"Not begun", ""}, "expired": {"Expired", ""}, "canceled": {"Canceled", ""}, "failed": {"Payment failed", "bad"},
	"refunded": {"Refunded", ""}, "partially_refunded": {"Partly refunded", ""}, "disputed": {"Disputed", "bad"},
}

func display(o *store.Order) badge {
	status := checkout.Display(o)
	d, known := displays[status]
	if !known {
		d = badge{Label: string(status)}
	}
	switch {
	case o.Stuck():
		d.Tone = "bad"
	case !o.GivenUpAt.IsZero() && o.FulfilledAt.IsZero():
		d = badge{Label: d.Label + ", given up"}
	}
	return d
}

// amountOf is checkout.AmountOf, with the zero Amount for what is no amount.
func amountOf(minor int64, currency string) checkout.Amount {
	amount, _ := checkout.AmountOf(minor, currency)
	return amount
}

// when returns a time for a person.
func when(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04:05") + " UTC" }

// iso returns a time for a machine.
func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// short returns the beginning and the end of an ID, which together tell it from others on a page. IDs that begin with the time, such
// as a UUID of version 7, have a common beginning. The beginning of an ID of Stripe's is its kind.
func short(id string) string {
	kind, rest, ofStripe := strings.Cut(id, "_")
	if !ofStripe || len(kind) > 5 {
		return ends(id, 8)
	}
	for _, mode := range []string{"test_", "live_"} {
		if strings.HasPrefix(rest, mode) {
			return kind + "_" + mode + ends(strings.TrimPrefix(rest, mode), 4)
		}
	}
	return kind + "_" + ends(rest, 6)
}

// ends returns the first n characters and the last four of an ID.
func ends(id string, n int) string {
	if len(id) <= n+6 {
		return id
	}
	return id[:n] + "…" + id[len(id)-4:]
}

// heading says in a line what was bought.
func heading(o *store.Order) string {
	var parts []string
	for i, l := range o.Lines {
		if i == 3 {
			parts = append(parts, "and "+strconv.Itoa(len(o.Lines)-3)+" more")
			break
		}
		name := l.Name
		if name == "" {
			name = l.SKU
		}
		if name == "" {
			name = "a price at Stripe"
		}
		if runes := []rune(name); len(runes) > 80 {
			name = string(runes[:80]) + "…"
		}
		if l.Quantity > 1 {
			name = strconv.FormatInt(l.Quantity, 10) + " × " + name
		}
		parts = append(parts, name)
	}
	if len(parts) == 0 {
		return "Order " + short(o.ID)
	}
	return strings.Join(parts, ", ")
}

// address returns an address on one line.
func address(a store.Address) string {
	var parts []string
	for _, part := range []string{a.Line1, a.Line2, strings.TrimSpace(a.PostalCode + " " + a.City), a.State, a.Country} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// words returns a name of a program's as words.
func words(name any) string { return strings.ReplaceAll(fmt.Sprint(name), "_", " ") }

// sentence begins a text with a capital letter.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// attemptState says in words where an attempt stands.
func attemptState(a *store.Attempt) badge {
	switch {
	case a.Paid && a.Duplicate:
		return badge{"Paid, too", "bad"}
	case a.Paid:
		return badge{"Paid", "good"}
	case !a.ClosedAt.IsZero():
		return badge{"Ended before it began", ""}
	case a.Gone:
		return badge{"Unknown to Stripe", "bad"}
	case a.Failed:
		return badge{"Payment failed", "bad"}
	case a.Expired:
		return badge{"Expired", ""}
	case a.Completed:
		return badge{"Money on its way", "wait"}
	}
	return badge{"Open", "wait"}
}

var stepLabels = map[checkout.Action]string{
	checkout.CloseAttempt:    "End the attempt",
	checkout.EndSession:      "End the session at Stripe",
	checkout.AskSession:      "Ask Stripe how the session stands",
	checkout.ReleaseStock:    "Give the stock back",
	checkout.TransferStock:   "Pass the stock on",
	checkout.SellStock:       "Mark the stock as sold",
	checkout.AskSubscription: "Ask Stripe how the subscription stands",
	checkout.VerifyPayment:   "Ask Stripe whether the payment was given back",
	checkout.RefundPayment:   "Refund the payment",
	checkout.FulfilOrder:     "Hand the order over",
	checkout.DeliverChange:   "Tell the change",
}

func stepLabel(a checkout.Action) string {
	if label, known := stepLabels[a]; known {
		return label
	}
	return string(a)
}
