package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

func TestTheDoctorExaminesTheShop(t *testing.T) {
	t.Parallel()
	test, env := testStripe(t, "file:"+filepath.Join(t.TempDir(), "shop.db"))
	p := start(t, env)
	examine := func() (string, error) {
		var out strings.Builder
		addr := strings.TrimPrefix(p.url, "http://")
		err := run(t.Context(), []string{"-addr", addr, "doctor"}, func(name string) string { return env[name] }, &out)
		return out.String(), err
	}
	report, err := examine()
	require.NoError(t, err, "%s", report) // the webhook is on this machine, where stripe listen forwards to
	require.Contains(t, report, "stripe listen")

	endpoint, err := test.Client().V1WebhookEndpoints.Create(t.Context(), &stripe.WebhookEndpointCreateParams{
		URL: stripe.String(p.url + "/stripe/webhook"), EnabledEvents: []*string{stripe.String("refund.created")}, APIVersion: stripe.String(stripe.APIVersion),
	})
	require.NoError(t, err)
	report, err = examine()
	require.ErrorIs(t, err, errUnhealthy)
	require.Contains(t, report, "checkout.session.completed")
	require.NotContains(t, report, endpoint.Secret)

	p.cancel()
	<-p.stopped
	report, err = examine()
	require.ErrorIs(t, err, errUnhealthy)
	require.Contains(t, report, "The webhook does not answer from here.")
}

func TestTheDoctorNeedsStripe(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := run(t.Context(), []string{"doctor"}, func(string) string { return "" }, &out)
	require.ErrorContains(t, err, "set STRIPE_SECRET_KEY")
	err = run(t.Context(), []string{"docter"}, func(string) string { return "" }, &out)
	require.ErrorContains(t, err, `unknown argument "docter"`)
}
