package checkout

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// wireCapture is a transport that keeps the one request it sees.
type wireCapture struct {
	header http.Header
	path   string
	body   string
}

func (c *wireCapture) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c.header, c.path, c.body = r.Header, r.URL.Path, string(body)
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(`{"id":"cs_test_1","object":"checkout.session"}`)),
		Request:    r,
	}, nil
}

func wireCaptured(t *testing.T, p *stripe.CheckoutSessionCreateParams) *wireCapture {
	t.Helper()
	c := &wireCapture{}
	client := stripe.NewClient("sk_test_123", stripe.WithBackends(stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		HTTPClient:        &http.Client{Transport: c},
		LeveledLogger:     &stripe.LeveledLogger{},
		MaxNetworkRetries: stripe.Int64(0),
	})))
	session, err := client.V1CheckoutSessions.Create(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, "cs_test_1", session.ID)
	return c
}

// everythingSession is a session with a value in every field that payment mode allows together, and unusual characters in its
// texts.
func everythingSession() Session {
	return Session{
		OrderID: "o_-9",
		Lines: []Line{
			{SKU: "a", Name: "Café & crème + 50% = \"gut\"; [neu]", Description: "ß\n漢字", Images: []string{"https://img.example/a?b=c&d=e"},
				UnitAmount: MustAmount("0.10", "eur"), Quantity: 3},
			{Product: "prod_1", UnitAmount: MustAmount("5", "eur"), Quantity: 1},
			{Price: "price_1", Name: "Known", Quantity: 2},
		},
		SuccessURL:          "https://shop.example/ok?s={CHECKOUT_SESSION_ID}&x=%20",
		CancelURL:           "http://localhost:8080/cart",
		HoldFor:             2 * time.Hour,
		CustomerEmail:       "jenny@example.com",
		Locale:              "pt-BR",
		AllowPromotionCodes: true,
		AutomaticTax:        true,
		Shipping: Shipping{Countries: []string{"DE", "AT"}, Options: []ShippingOption{
			{Rate: "shr_1"},
			{Name: "Post", Amount: MustAmount("4.90", "eur"), MinDays: 1, MaxDays: 3},
			{Name: "Pick-up", Amount: MustAmount("0", "eur"), MaxDays: 1},
		}},
		PaymentMethodTypes: []string{"card", "sepa_debit"},
		ManualCapture:      true,
		Connect:            Connect{Account: "acct_1", Destination: "acct_2", OnBehalfOf: "acct_3", ApplicationFee: MustAmount("1", "eur")},
		Metadata:           map[string]string{"z": "1&2=3", "a b": "é", "empty": ""},
		Params: func(p *stripe.CheckoutSessionCreateParams) {
			p.AddExtra("branding_settings[display_name]", "Shop & Co")
			p.AddExtra("a_new_one", "1")
			p.AddExtra("a_new_one", "2")
			p.AddExpand("payment_intent")
			p.SubmitType = stripe.String("pay")
		},
	}
}

// The stored body is the body that stripe-go sends, and wireParams sends it again unchanged.
func TestWireParamsSendTheStoredBody(t *testing.T) {
	t.Parallel()
	params, err := everythingSession().createParams(sessionIdentity{shop: "shop1", order: "o_-9", attempt: 3}, sessionTestNow)
	require.NoError(t, err)
	body := encodeParams(params)
	want, err := url.ParseQuery(body)
	require.NoError(t, err)
	require.Equal(t, want, sessionValues(params))

	direct := wireCaptured(t, params)
	got, err := url.ParseQuery(direct.body)
	require.NoError(t, err)
	require.Equal(t, want, got, "the encoding is stripe-go's own")
	require.Equal(t, "acct_1", direct.header.Get("Stripe-Account"))

	again, err := wireParams(body)
	require.NoError(t, err)
	again.SetStripeAccount("acct_1")
	again.SetIdempotencyKey("fulfil/shop1/o_-9/3")
	replayed := wireCaptured(t, again)
	got, err = url.ParseQuery(replayed.body)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Len(t, replayed.body, len(direct.body), "nothing else is sent")
	require.Equal(t, "/v1/checkout/sessions", replayed.path)
	require.Equal(t, "acct_1", replayed.header.Get("Stripe-Account"))
	require.Equal(t, "fulfil/shop1/o_-9/3", replayed.header.Get("Idempotency-Key"))
}

func TestEncodeParamsIsDeterministic(t *testing.T) {
	t.Parallel()
	s := everythingSession()
	for i := range 30 {
		s.Metadata[fmt.Sprint("key", i)] = "v"
	}
	var first string
	for i := range 50 {
		params, err := s.createParams(sessionIdentity{shop: "shop1", order: "o_-9", attempt: 3}, sessionTestNow)
		require.NoError(t, err)
		body := encodeParams(params)
		if i == 0 {
			first = body
		}
		require.Equal(t, first, body)
	}
}

func TestWireParamsRefusesWhatIsNoBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "a=%zz", "a=1;b=2"} {
		_, err := wireParams(body)
		require.ErrorContains(t, err, "not a form body")
		require.NotContains(t, err.Error(), "%zz")
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	first, err := everythingSession().fingerprint()
	require.NoError(t, err)
	require.Len(t, first, 64)
	for range 20 {
		same, err := everythingSession().fingerprint()
		require.NoError(t, err)
		require.Equal(t, first, same)
	}
	seen := map[string]string{first: "unchanged"}
	for name, change := range map[string]func(*Session){
		"order":       func(s *Session) { s.OrderID = "other" },
		"SKU":         func(s *Session) { s.Lines[0].SKU = "b" },
		"no SKU":      func(s *Session) { s.Lines[0].SKU = "" },
		"SKU of next": func(s *Session) { s.Lines[0].SKU, s.Lines[1].SKU = "", "a" },
		"quantity":    func(s *Session) { s.Lines[0].Quantity++ },
		"amount":      func(s *Session) { s.Lines[0].UnitAmount = MustAmount("0.11", "eur") },
		"kept name":   func(s *Session) { s.Lines[2].Name = "Renamed" },
		"line":        func(s *Session) { s.Lines = s.Lines[:2] },
		"hold":        func(s *Session) { s.HoldFor = time.Hour },
		"account":     func(s *Session) { s.Connect.Account = "acct_9" },
		"metadata":    func(s *Session) { s.Metadata["z"] = "2" },
		"params":      func(s *Session) { s.Params = nil },
		"e-mail":      func(s *Session) { s.CustomerEmail = "ben@example.com" },
	} {
		s := everythingSession()
		change(&s)
		print, err := s.fingerprint()
		require.NoError(t, err, name)
		require.NotContains(t, seen, print, "%s is not told from %s", name, seen[print])
		seen[print] = name
	}
	// Two holds that are shorter than Stripe's shortest session differ, too.
	a, b := teeSession(), teeSession()
	b.HoldFor = 10 * time.Minute
	printA, err := a.fingerprint()
	require.NoError(t, err)
	printB, err := b.fingerprint()
	require.NoError(t, err)
	require.NotEqual(t, printA, printB)

	_, err = Session{}.fingerprint()
	var invalid *InvalidSessionError
	require.ErrorAs(t, err, &invalid)
}

// The fingerprint must not depend on the attempt, even if Params does.
func TestFingerprintSeesNoAttempt(t *testing.T) {
	t.Parallel()
	values := map[string]bool{}
	for attempt := 1; attempt <= 2; attempt++ {
		params, err := everythingSession().createParams(sessionIdentity{shop: "shop1", order: "o_-9", attempt: attempt},
			sessionTestNow.Add(time.Duration(attempt)*time.Hour))
		require.NoError(t, err)
		v := sessionValues(params)
		require.Equal(t, fmt.Sprint(attempt), v.Get("metadata[fulfil_attempt]"))
		removed := 0
		for key := range v {
			if isAttemptKey(key) {
				v.Del(key)
				removed++
			}
		}
		require.Equal(t, 7, removed, "expires_at and three keys in two places")
		values[v.Encode()] = true
	}
	require.Len(t, values, 1)
}
