package webhook

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

func TestNewRefusesBadConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "Config.Secrets is empty"},
		{Config{Secrets: []string{"a", ""}}, "Config.Secrets[1] is blank"},
		{Config{Secrets: []string{" \t"}}, "Config.Secrets[0] is blank"},
		{Config{Secrets: []string{"whsec_a\n"}}, "Config.Secrets[0] begins or ends with white space"},
		{Config{Secrets: []string{"whsec_a", "whsec_b", "whsec_a"}}, "Config.Secrets[2] repeats another one"},
		{Config{Secrets: []string{"whsec_a"}, Tolerance: -1}, "Config.Tolerance is negative"},
		{Config{Secrets: []string{"whsec_a"}, MaxBytes: -1}, "Config.MaxBytes is negative"},
	} {
		_, err := New(c.cfg)
		require.ErrorContains(t, err, c.want)
		require.NotContains(t, err.Error(), "whsec_")
	}
	h, err := New(Config{Secrets: []string{"whsec_a"}})
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%+v", h), "whsec_a")
	require.NoError(t, h.Verify([]byte("x"), webhooktest.Sign([]byte("x"), "whsec_a", time.Now())), "the zero Clock is time.Now")
}

// New refuses other secrets and IDs of Stripe. The error says where to find the signing secret, and repeats nothing of the text.
func TestNewRefusesOtherSecrets(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		`"whsec_abc123"`:                "is in quotes",
		`'whsec_abc123'`:                "is in quotes",
		`"whsec_abc123`:                 "is in quotes",
		`whsec_abc123'`:                 "is in quotes",
		"`whsec_abc123`":                "is in quotes",
		"\u201cwhsec_abc123\u201d":      "is in quotes",
		"we_1abc123":                    "is the ID of a webhook endpoint",
		"ed_test_abc123":                "is the ID of an event destination",
		"sk_live_abc123":                "is an API key",
		"sk_test_abc123":                "is an API key",
		"rk_live_abc123":                "is an API key",
		"pk_test_abc123":                "is an API key",
		"SECRET=whsec_abc123":           "has something before the signing secret",
		"Bearer whsec_abc123":           "contains white space",
		"whsec_abc123,whsec_def456":     "contains more than one signing secret",
		"whsec_abc123;whsec_def456":     "contains more than one signing secret",
		"whsec_abc123 whsec_def456":     "contains white space",
		"whsec_":                        "has nothing after whsec_",
		"https://abc123.example/stripe": "is a URL",
	} {
		_, err := New(Config{Secrets: []string{"whsec_good", given}})
		require.ErrorContains(t, err, "webhook: Config.Secrets[1] "+want, given)
		require.ErrorContains(t, err, "the signing secret begins with whsec_", given)
		require.NotContains(t, err.Error(), "abc123")
		require.NotContains(t, err.Error(), "def456")
	}
	for _, given := range []string{"s", "whsec_test", "test-secret", "task_1", "web_1", "a'b", "whsec_a/b+c="} {
		_, err := New(Config{Secrets: []string{given}})
		require.NoError(t, err, given)
	}
}
