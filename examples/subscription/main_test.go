package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/examples/internal/visitor"
)

// A member lives through the first payment, two renewals, a card that fails and recovers, a change of the plan, and a cancellation
// that is withdrawn, and made again until the end. Then the member comes back.
func TestTheLifeOfAMembership(t *testing.T) {
	t.Parallel()
	b := start(t).visit(t)
	b.requireAccess(false, "none")
	b.signUp("Subscribe for $18.00", "plan", "monthly", "seats", "2")
	b.requireAccess(true, "active")
	b.requireInvoices("First period $18.00 paid")
	require.Contains(t, visitor.Text(b.Element(`id="plan"`)), "2 seats, $18.00 each month")

	b.pass("month")
	b.pass("month")
	b.requireAccess(true, "active")
	b.requireInvoices("First period $18.00 paid", "Renewal $18.00 paid", "Renewal $18.00 paid")
	told := []string{"Welcome to Tidewatch", "Your membership was renewed", "Your membership was renewed"}
	b.requireMails(told...)

	b.Press("", "The card fails from now on")
	b.pass("month")
	b.requireAccess(true, "past_due") // within the grace
	b.requireInvoices("First period $18.00 paid", "Renewal $18.00 paid", "Renewal $18.00 paid", "Renewal $18.00 failed")
	told = append(told, "Your payment failed")
	b.requireMails(told...)
	b.Press("", "The card works again")
	b.pass("day")
	b.pass("day")
	b.requireAccess(true, "past_due") // the next try is three days after the first
	b.pass("day")
	b.requireAccess(true, "active")
	b.requireInvoices("First period $18.00 paid", "Renewal $18.00 paid", "Renewal $18.00 paid", "Renewal $18.00 paid")
	told = append(told, "Your membership was renewed")
	b.requireMails(told...)

	b.Press("", "Change", "plan", "yearly", "seats", "3")
	require.Contains(t, b.Body, "Your plan was changed.")
	require.Contains(t, visitor.Text(b.Element(`id="plan"`)), "3 seats, $270.00 each year")
	b.requireAccess(true, "active")
	told = append(told, "Your membership was renewed", "Your plan was changed") // the first year is paid at once
	b.requireMails(told...)
	require.Contains(t, visitor.Text(b.Element(`id="mails"`)), "You now pay yearly, for 3 seats: $270.00 each year.")

	b.Press("", "Cancel the membership")
	b.requireAccess(true, "canceling")
	b.Press("", "Keep the membership")
	b.requireAccess(true, "active")
	b.Press("", "Cancel the membership")
	b.pass("month")
	b.requireAccess(true, "canceling")
	b.pass("year")
	b.requireAccess(false, "ended")
	told = append(told, "Your membership will end", "Your membership goes on", "Your membership will end", "Your membership has ended")
	b.requireMails(told...)
	require.NotContains(t, b.Body, "Change the plan")

	b.Follow("Join again")
	require.Contains(t, b.Body, "The trial is for new members.")
	b.signUp("Subscribe for $90.00", "plan", "yearly")
	b.requireAccess(true, "active")
	b.requireMails(append(told, "Welcome to Tidewatch")...)
}

// A card that fails for good costs the access when the grace is over, and then the membership.
func TestTheCardFailsForGood(t *testing.T) {
	t.Parallel()
	b := start(t).visit(t)
	b.signUp("Subscribe for $9.00")
	b.Open("/account")
	b.Press("", "The card fails from now on")
	b.pass("month")
	for range 6 {
		b.pass("day")
	}
	b.requireAccess(true, "past_due")
	b.pass("day")
	b.requireAccess(false, "past_due")
	b.Press("", "Change", "seats", "5")
	require.Equal(t, http.StatusPaymentRequired, b.Status)
	require.Contains(t, b.Body, "Your card was refused")
	b.Follow("Your account")
	require.Contains(t, visitor.Text(b.Element(`id="plan"`)), "1 seat, $9.00")
	b.pass("month")
	b.requireAccess(false, "ended")
	b.requireMails("Welcome to Tidewatch", "Your payment failed", "Your payment failed", "Your payment failed", "Your payment failed", "Your membership has ended")
	require.Contains(t, visitor.Text(b.Element(`id="mails"`)), "as it was not paid")
}

// A trial with a card becomes a paid membership.
func TestTrialWithACard(t *testing.T) {
	t.Parallel()
	b := start(t).visit(t)
	b.signUp("Complete order", "start", "trial")
	b.requireAccess(true, "trial")
	b.requireInvoices("Trial $0.00 paid")
	b.Press("", "Change", "seats", "4")
	require.Contains(t, visitor.Text(b.Element(`id="plan"`)), "4 seats, $36.00 each month")
	b.requireInvoices("Trial $0.00 paid")
	b.pass("month")
	b.requireAccess(true, "active")
	b.requireInvoices("Trial $0.00 paid", "Renewal $36.00 paid")
	b.requireMails("Welcome to Tidewatch", "Your plan was changed", "Your trial ends soon", "Your membership was renewed")
	require.Contains(t, visitor.Text(b.Element(`id="mails"`)), "From then on you pay $36.00 each month.")
}

// A trial without a card ends by itself, unless the member gives a card in the billing portal.
func TestTrialWithoutACard(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, gives := range []bool{false, true} {
		b := p.visit(t)
		b.signUp("Complete order", "start", "trial-without-card")
		b.requireAccess(true, "trial")
		if gives {
			b.Press("", "Card and receipts")
			require.Contains(t, b.URL.Path, "/p/session/")
			b.Press("", "Use this card")
			b.Follow("Return to the shop")
			require.Equal(t, "/account", b.URL.Path)
			require.Contains(t, b.Body, "Welcome back")
		}
		b.pass("month")
		if gives {
			b.requireAccess(true, "active")
			b.requireMails("Welcome to Tidewatch", "Your trial ends soon", "Your membership was renewed")
		} else {
			b.requireAccess(false, "ended")
			b.requireMails("Welcome to Tidewatch", "Your trial ends soon", "Your membership has ended")
			b.post("/signup", "plan=monthly&seats=1&start=trial") // as no form of the site does now
			require.Contains(t, visitor.Text(b.Body), "Subscribe for $9.00", "there is one trial for each visitor")
		}
	}
}

// What a member does in Stripe's portal shows on the account page, and is told once.
func TestCancelingInThePortal(t *testing.T) {
	t.Parallel()
	b := start(t).visit(t)
	b.signUp("Subscribe for $9.00")
	b.Open("/account")
	b.Press("", "Card and receipts")
	b.Press("", "Cancel subscription")
	b.Follow("Return to the shop")
	b.requireAccess(true, "canceling")
	b.requireMails("Welcome to Tidewatch", "Your membership will end")
}

// Two tabs make one membership, and a member can't begin a second one.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	p := start(t)
	b := p.visit(t)
	b.Press("", "Continue to payment")
	payPage, other := b.URL.String(), b.Tab()
	b.Open(p.url + "/")
	b.Press("", "Continue to payment")
	require.Equal(t, payPage, b.URL.String(), "the same choice must get the same session")
	b.Open(p.url + "/")
	b.Press("", "Continue to payment", "plan", "yearly")
	require.NotEqual(t, payPage, b.URL.String(), "another choice must get another session")
	other.Open(payPage)
	require.Contains(t, other.Body, "This checkout has expired")

	stale := b.Tab()
	stale.Open(p.url)
	b.Press("", "Subscribe for $90.00", append([]string{"email", "sailor@example.com"}, card...)...)
	require.Contains(t, b.Element(`id="order"`), `data-began="true"`)
	stale.Press("", "Continue to payment")
	require.Equal(t, "/account", stale.URL.Path)
	require.Contains(t, stale.Body, "You are a member already.")
	b.requireInvoices("First period $90.00 paid")
}

// A visitor sees nothing of another's membership.
func TestMembershipsOfOthers(t *testing.T) {
	t.Parallel()
	p := start(t)
	member, other := p.visit(t), p.visit(t)
	member.signUp("Subscribe for $9.00")
	other.requireAccess(false, "none")
	require.NotContains(t, other.Body, "Welcome to Tidewatch")
	other.signUp("Complete order", "start", "trial", "seats", "3")
	other.requireInvoices("Trial $0.00 paid")
	other.requireAccess(true, "trial")
	member.requireInvoices("First period $9.00 paid")
	member.requireAccess(true, "active")
	member.Open("/account")
	member.Press("", "Begin as another visitor")
	member.requireAccess(false, "none")
	for _, action := range []string{"/account/cancel", "/account/keep", "/account/portal"} {
		b := p.visit(t)
		b.post(action, "")
		require.GreaterOrEqual(t, b.Status, 400, action)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, fill := range [][]string{{"seats", "0"}, {"seats", "21"}, {"seats", ""}, {"seats", "1.5"}, {"plan", "weekly"}} {
		b := p.visit(t)
		b.Press("", "Continue to payment", fill...)
		require.Equal(t, http.StatusBadRequest, b.Status, "%q", fill)
	}
	for _, address := range []string{"/thanks", "/thanks?session_id=cs_test_other", "/nowhere"} {
		b := p.visit(t)
		b.Open(address)
		require.Equal(t, http.StatusNotFound, b.Status, address)
	}
}

// Pages of other sites can't post, other names for this machine are refused, and pages take no uploads.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	p := start(t)
	for path, want := range map[string]int{
		"/signup": http.StatusForbidden, "/account/plan": http.StatusForbidden, "/account/cancel": http.StatusForbidden, "/account/keep": http.StatusForbidden,
		"/account/portal": http.StatusForbidden, "/demo/pass": http.StatusForbidden, "/demo/card": http.StatusForbidden, "/demo/visitor": http.StatusForbidden,
		"/stripe/webhook": http.StatusBadRequest, // a signature is missing; the check for browsers does not apply
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+path, strings.NewReader("{}"))
		require.NoError(t, err)
		request.Header.Set("Origin", "https://elsewhere.example")
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, want, response.StatusCode, path)
	}
	for _, c := range []struct {
		host, body string
		want       int
	}{{"elsewhere.example", "", http.StatusMisdirectedRequest}, {"", "plan=monthly&seats=1&more=" + strings.Repeat("1", 2*maxForm), http.StatusBadRequest}} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/signup", strings.NewReader(c.body))
		require.NoError(t, err)
		request.Host = c.host
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, c.want, response.StatusCode)
	}
}
