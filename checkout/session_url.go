package checkout

import (
	"net"
	"net/url"
	"regexp"
)

// escapedSessionID is the placeholder as net/url writes it.
var escapedSessionID = regexp.MustCompile(`(?i)%7B(CHECKOUT_SESSION_ID)%7D`)

// literalSessionID turns an escaped placeholder back into the one Stripe replaces.
// Source: https://docs.stripe.com/payments/checkout/custom-success-page.
func literalSessionID(raw string) string {
	return escapedSessionID.ReplaceAllString(raw, "{CHECKOUT_SESSION_ID}")
}

func (s Session) checkURLs(p *sessionProblems) {
	switch s.UIMode {
	case "", UIModeHosted:
		checkSessionURL(p, "SuccessURL", s.SuccessURL, true)
		checkSessionURL(p, "CancelURL", s.CancelURL, false)
		p.require(s.ReturnURL == "", "ReturnURL", "is not allowed in a hosted session")
	case UIModeEmbedded:
		p.require(s.SuccessURL == "", "SuccessURL", "is not allowed in an embedded session")
		p.require(s.CancelURL == "", "CancelURL", "is not allowed in an embedded session")
		checkSessionURL(p, "ReturnURL", s.ReturnURL, true)
	default:
		p.add("UIMode", "must be hosted or embedded")
	}
}

func checkSessionURL(p *sessionProblems, field, raw string, required bool) {
	if raw == "" {
		p.require(!required, field, "is required")
		return
	}
	u, err := url.Parse(literalSessionID(raw))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		p.add(field, "must be an absolute https URL")
	case u.Scheme == "http" && !isLoopbackHost(u.Hostname()):
		p.add(field, "must be https, except on localhost or a loopback address")
	case u.User != nil:
		p.add(field, "must not contain a user name or password")
	}
}

func isLoopbackHost(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
