package main

import (
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/examples/internal/htmlpage"
	"github.com/gofulfil/fulfil/examples/internal/orderview"
	"github.com/gofulfil/fulfil/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css
var styleSheet []byte

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"dollars": orderview.Dollars, "when": orderview.When, "day": day, "hour": hour, "seats": seats,
}).ParseFS(templateFiles, "templates/*.html"))

// page is the part that all pages share.
type page struct {
	Title   string
	Here    string // the navigation's link to this page
	Notice  string
	Demo    bool // payments go to the test server
	Refresh int  // seconds after which the page is loaded again; 0: never
	Data    any
}

// notices are the texts after a button was pressed.
var notices = map[string]string{
	"member":   "You are a member already. Here you can change your plan.",
	"plan":     "Your plan was changed.",
	"canceled": "Your membership will end when what you paid for is over. Until then you can keep it.",
	"kept":     "Your membership goes on.",
	"portal":   "Welcome back from Stripe’s billing portal.",
	"passed":   "Time has passed, and whatever fell due has happened. The mails say what.",
	"fails":    "The bank refuses your card from now on. Let a month pass to see the renewal fail.",
	"works":    "Your card works again. A payment that failed is tried again on the day that its invoice names.",
}

func (s *site) showSignUp(w http.ResponseWriter, r *http.Request) {
	memberships, err := s.memberships(r.Context(), userOf(r))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	member := current(memberships)
	p := page{Title: "Join", Here: "join", Data: struct {
		Plans     []plan
		Member    *store.Order // the membership that goes on; nil: there is none
		Access    bool
		Trial     bool // the visitor may have a trial
		TrialDays int
		MaxSeats  int
	}{s.plans, member, member != nil && member.Access(s.pay.now(), grace).Granted, len(memberships) == 0, trialDays, maxSeats}}
	if r.URL.Query().Get("needed") == "membership" {
		p.Notice = "The tides are for members."
	}
	s.render(w, http.StatusOK, "signup", p)
}

// showThanks is the page after the payment page. Settle asks Stripe if the webhook has not come yet.
func (s *site) showThanks(w http.ResponseWriter, r *http.Request) {
	o, err := s.flow.Settle(r.Context(), r.URL.Query().Get("session_id"))
	if o == nil {
		s.failed(w, r, err)
		return
	}
	if err != nil {
		s.log.Warn("showing a membership as last known", "error", err)
	}
	p := page{Title: "Welcome", Data: struct {
		*store.Order
		Began    bool
		Standing standing
	}{o, checkout.Display(o) == checkout.Fulfilled, standingOf(o.Access(s.pay.now(), grace))}}
	if checkout.Display(o) != checkout.Fulfilled {
		p.Title, p.Refresh = "Checking your payment", 3
	}
	s.render(w, http.StatusOK, "thanks", p)
}

// showMembers is a page that needs access. RequireAccess has found the order that gives it.
func (s *site) showMembers(w http.ResponseWriter, r *http.Request) {
	o := checkout.OrderOf(r.Context())
	s.render(w, http.StatusOK, "members", page{Title: "Tides", Here: "members", Data: struct {
		Now      time.Time
		Tides    []tide
		Is       subscribed
		Standing standing
	}{s.pay.now(), tidesOf(s.pay.now()), s.subscribedTo(o), standingOf(o.Access(s.pay.now(), grace))}})
}

// tide is a line of the members' page.
type tide struct {
	At   time.Time
	High bool
}

// tidesOf returns the next tides of a harbour that does not exist.
func tidesOf(now time.Time) []tide {
	const between = 6*time.Hour + 12*time.Minute
	first := now.Truncate(between)
	var tides []tide
	for n := range 6 {
		at := first.Add(time.Duration(n+1) * between)
		tides = append(tides, tide{at, at.Unix()/int64(between/time.Second)%2 == 0})
	}
	return tides
}

// day is a short date.
func day(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

func hour(t time.Time) string { return t.UTC().Format("2 January, 15:04") }

// accountPage shows a membership: what it is for, until when it gives access and why, its invoices, and its mails.
type accountPage struct {
	*store.Order // the latest membership; nil: there is none
	Now          time.Time
	Sub          *store.Subscription
	Is           subscribed
	Access       store.Access
	Standing     standing
	Goes         bool // it has not ended
	Plans        []plan
	MaxSeats     int
	Invoices     []invoice
	Mails        []mail
}

func (s *site) showAccount(w http.ResponseWriter, r *http.Request) {
	user, done := userOf(r), r.URL.Query().Get("done")
	memberships, err := s.memberships(r.Context(), user)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	data := accountPage{Now: s.pay.now(), Plans: s.plans, MaxSeats: maxSeats}
	if len(memberships) > 0 {
		o := memberships[0]
		if done == "portal" { // the event of what the member did there may come a moment later
			settled, err := s.flow.SettleSubscription(r.Context(), o.ID)
			if err != nil {
				s.log.Warn("showing a membership as last known", "error", err)
			}
			if settled != nil {
				o = settled
			}
		}
		data.Order, data.Sub, data.Is, data.Goes = o, o.Subscription(), s.subscribedTo(o), current([]*store.Order{o}) != nil
		data.Access = o.Access(data.Now, grace)
		data.Standing, data.Invoices = standingOf(data.Access), invoicesOf(o)
	}
	if data.Mails, err = s.mailsOf(r.Context(), user); err != nil {
		s.failed(w, r, err)
		return
	}
	s.render(w, http.StatusOK, "account", page{Title: "Account", Here: "account", Notice: notices[done], Data: data})
}

func (s *site) notFound(w http.ResponseWriter, _ *http.Request) {
	s.message(w, http.StatusNotFound, "There is no such page", "The address may be mistyped, or the page has moved.")
}

// failed tells the visitor what an error means.
func (s *site) failed(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *stripe.Error
	switch {
	case errors.Is(err, checkout.ErrNotFound), errors.Is(err, errNoMembership):
		s.message(w, http.StatusNotFound, "There is no such membership", "Sign up to begin one.")
	case errors.Is(err, checkout.ErrAlreadyPaid):
		s.message(w, http.StatusConflict, "You are a member already", "Nothing is charged a second time.")
	case errors.Is(err, checkout.ErrProcessing):
		s.message(w, http.StatusConflict, "Your payment is on its way", "The bank is moving the money. There is nothing more to do.")
	case errors.As(err, &refusal) && refusal.Type == stripe.ErrorTypeCard:
		s.message(w, http.StatusPaymentRequired, "Your card was refused", "Nothing was changed. Please give another card in the billing portal.")
	case r.Context().Err() != nil: // the visitor closed the page
	default:
		s.log.Error("request failed", "error", err)
		s.message(w, http.StatusBadGateway, "That did not work", "Nothing was charged. Please try again in a moment.")
	}
}

func (s *site) message(w http.ResponseWriter, status int, title, text string) {
	s.render(w, status, "message", page{Title: title, Data: text})
}

func replaceDate(text, date string) string { return strings.Replace(text, "%s", date, 1) }

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(styleSheet)
}

func (s *site) render(w http.ResponseWriter, status int, name string, p page) {
	p.Demo = s.pay.test != nil
	htmlpage.Write(w, s.log, status, templates, name, p)
}
