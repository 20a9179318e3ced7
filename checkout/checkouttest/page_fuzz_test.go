package checkouttest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// FuzzPage sends the payment page any form. It is answered, and only a card that pays completes the session.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		"email=a%40shop.example&method=card&number=4242+4242+4242+4242&expiry=12+%2F+34&cvc=123", "method=bank_debit&email=a@b.example&name=A",
		"fill=4000000000000002", "number=4000000000000002&expiry=1/1&cvc=0", "a=%zz", "", "expiry=//&cvc=\x00&number=4242424242424242&email=@",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		srv := newServer(t, checkouttest.Config{}) // a new one, as it keeps what it did
		session := create(t, srv, tee())
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, session.URL, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := srv.Transport().RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.True(t, slices.Contains([]int{200, 303, 402, 422}, answer.StatusCode), "%d", answer.StatusCode)
		after := retrieve(t, srv, session.ID)
		require.Equal(t, answer.StatusCode == http.StatusSeeOther && !strings.HasSuffix(answer.Header.Get("Location"), "/authenticate"),
			after.Status == stripe.CheckoutSessionStatusComplete)
	})
}
