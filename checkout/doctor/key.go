package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

const (
	// skewNoticed is the difference of clocks that the doctor reports. Whole seconds and a slow request explain less.
	skewNoticed = 30 * time.Second
	// skewRefused is the difference from which signatures are refused (https://docs.stripe.com/webhooks/signature).
	skewRefused = 5 * time.Minute
)

// examineKey asks Stripe whether it takes the key, and what time it is. It reports whether the rest can be asked.
func (x *examination) examineKey(ctx context.Context) bool {
	before := x.Clock()
	var answer stripe.APIResource
	err := x.api.call(ctx, http.MethodGet, "/v1/events", map[string][]string{"limit": {"1"}}, &answer)
	after := x.Clock()
	switch code := status(err); {
	case code == http.StatusUnauthorized:
		x.find(KeyRefused, Error, "Stripe does not take the key.", "Nothing can be sold.",
			"Copy the key again from the API keys of the Dashboard; it may have been rolled or have expired.")
		return false
	case err != nil && code != http.StatusForbidden:
		x.find(StripeUnreachable, Error, fmt.Sprintf("Stripe can't be asked: %s.", reason(err)), "Nothing can be sold, and nothing else could be examined.",
			"Let this machine reach api.stripe.com over HTTPS, and look at https://status.stripe.com.")
		return false
	}
	x.examineClock(dateOf(answer, err), before, after)
	if known := x.health.Mode; known != "" && x.report.Mode != "" && known != x.report.Mode {
		x.find(KeyMode, Error, fmt.Sprintf("The key is of %s mode, and the orders are of %s mode.", x.report.Mode, known),
			"The Flow begins nothing then.", "Use the key of the orders' mode, or a database for each mode.")
	}
	return true
}

// dateOf returns the Date of an answer, also of a refusal.
func dateOf(answer stripe.APIResource, err error) string {
	response := answer.LastResponse
	var refusal *stripe.Error
	if errors.As(err, &refusal) {
		response = refusal.LastResponse
	}
	if response == nil {
		return ""
	}
	return response.Header.Get("Date")
}

// examineClock compares the Date of an answer with the clock before and after the request.
func (x *examination) examineClock(header string, before, after time.Time) {
	date, err := http.ParseTime(header)
	if err != nil {
		x.skip("the clock", "Stripe's answer has no date")
		return
	}
	var ahead time.Duration // of this machine
	switch {
	case before.After(date):
		ahead = before.Sub(date)
	case after.Before(date):
		ahead = after.Sub(date)
	}
	if ahead.Abs() < skewNoticed {
		return
	}
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	severity, why := Warning, "The Flow makes up for this, and at five minutes signatures are refused."
	if ahead.Abs() >= skewRefused {
		severity, why = Error, "Every webhook is refused, as its signature seems too old or too new."
	}
	x.find(ClockSkew, severity, fmt.Sprintf("The clock is %v %s Stripe's.", ahead.Abs().Round(time.Second), direction), why, "Set the clock by NTP.")
}

// examineAccount looks whether the account can take payments, and whether it is the account of the orders.
func (x *examination) examineAccount(ctx context.Context) {
	var account struct {
		stripe.APIResource
		ID             string `json:"id"`
		ChargesEnabled bool   `json:"charges_enabled"`
	}
	err := x.api.call(ctx, http.MethodGet, "/v1/account", nil, &account)
	switch {
	case err != nil:
		x.skip("whether the account can take payments", reason(err))
	case !account.ChargesEnabled && x.report.Mode == "live":
		x.find(ChargesDisabled, Error, fmt.Sprintf("The account %s can't take payments: charges_enabled is false.", account.ID),
			"Sessions can't be created or paid.", "Complete the account's onboarding in the Dashboard.")
	case !account.ChargesEnabled:
		x.find(ChargesDisabled, Note, fmt.Sprintf("The account %s can't take live payments yet: charges_enabled is false.", account.ID),
			"Test payments work all the same.", "Complete the account's onboarding in the Dashboard before you go live.")
	}
	x.report.Account = account.ID
	if x.health.Session == "" || x.mixedModes() {
		return
	}
	err = x.api.call(ctx, http.MethodGet, "/v1/checkout/sessions/"+x.health.Session, nil, &stripe.APIResource{})
	if status(err) != http.StatusNotFound {
		return
	}
	severity, why := Error, "The Flow begins and sweeps nothing then."
	if x.report.Mode != "live" {
		severity, why = Warning, "Either the key is of another account, or the sandbox's data was deleted."
	}
	x.find(WrongAccount, severity, fmt.Sprintf("Stripe does not know %s, a session of this shop.", x.health.Session), why,
		"Use the key of the account that the orders are on, or a database for each account.")
}

// mixedModes reports whether the key is of another mode than the orders. No object of theirs can be asked for then.
func (x *examination) mixedModes() bool { return x.health.Mode != "" && x.health.Mode != x.report.Mode }

// A need is something that the shop's key must be able to do.
type need struct {
	permission string // as docs/going-live.md names it
	what       string // it is for
	severity   Severity
	ask        func(ctx context.Context) error
}

// needs returns what the shop needs. A request to write names an object that does not exist: a key with the permission gets the answer
// that there is none, and a key without it is refused before.
func (x *examination) needs() []need {
	read := func(permission, what, path string) need {
		return need{permission + ", read", what, Error, func(ctx context.Context) error { return x.api.one(ctx, path) }}
	}
	write := func(permission, what, method, path string) need {
		return need{permission + ", write", what, Error, func(ctx context.Context) error {
			return x.api.call(ctx, method, path, nil, &stripe.APIResource{})
		}}
	}
	needs := []need{
		write("Checkout Sessions", "to begin and end sessions", http.MethodPost, "/v1/checkout/sessions/"+x.api.unknownID("cs")+"/expire"),
		read("Payment Intents", "to see what became of a payment", "/v1/payment_intents"),
		read("Charges", "to see what became of a payment", "/v1/charges"),
		read("Refunds", "so that nothing refunded is shipped", "/v1/refunds"),
		read("Disputes", "so that nothing disputed is shipped", "/v1/disputes"),
		read("Events", "to find what webhooks missed", "/v1/events"),
	}
	if x.health.HoldForReview || x.thin {
		needs = append(needs, read("Reviews", "for Config.HoldForReview, and for thin events", "/v1/reviews"))
	}
	if x.thin {
		needs = append(needs, read("early fraud warnings", "for thin events", "/v1/radar/early_fraud_warnings"))
	}
	if x.health.Refunds {
		needs = append(needs, write("Refunds", "for Config.Refund", http.MethodPost, "/v1/refunds/"+x.api.unknownID("re")+"/cancel"))
	}
	if !slices.ContainsFunc(x.orders, func(o *store.Order) bool { return o.Mode == string(checkout.ModeSubscription) }) {
		return needs
	}
	needs = append(needs,
		read("Subscriptions", "to see what became of a subscription", "/v1/subscriptions"),
		read("Invoices", "to see which periods were paid", "/v1/invoices"))
	if x.health.Refunds {
		needs = append(needs, write("Subscriptions", "for Config.Refund, which ends a subscription first", http.MethodDelete, "/v1/subscriptions/"+x.api.unknownID("sub")))
	}
	return needs
}

// examinePermissions tries each permission with the cheapest request. A secret key has all of them.
func (x *examination) examinePermissions(ctx context.Context) {
	if strings.HasPrefix(x.api.client.V1Events.Key, "sk_") {
		return
	}
	for _, n := range x.needs() {
		err := n.ask(ctx)
		switch code := status(err); {
		case err == nil, code == http.StatusNotFound, code == http.StatusBadRequest:
		case code == http.StatusForbidden:
			name := missingPermission(err)
			if name != "" {
				name = " (" + name + ")"
			}
			x.find(KeyPermission, n.severity, fmt.Sprintf("The key lacks a permission: %s%s.", n.permission, name),
				"The shop needs it "+n.what+".", "Give the restricted key this permission in the Dashboard.")
		default:
			x.skip("the permission "+n.permission, reason(err))
		}
	}
}
