package checkouttest_test

import (
	"net/http"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// BenchmarkSessions creates sessions, pays them and delivers their events, all on one server. It reports how much of the heap a session
// keeps with all that came of it. With -benchtime 10000x the server ends with ten thousand of them.
func BenchmarkSessions(b *testing.B) {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	client := srv.Client()
	params := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("payment"), SuccessURL: stripe.String("https://shop.example/thanks"),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency: stripe.String("usd"), UnitAmount: stripe.Int64(1999),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("T-shirt")},
			},
		}},
	}
	before := heap()
	for b.Loop() {
		session, err := client.V1CheckoutSessions.Create(b.Context(), params)
		require.NoError(b, err)
		require.NoError(b, srv.Pay(session.ID, checkouttest.CardOK))
	}
	b.ReportMetric(float64(heap()-before)/float64(b.N), "heap-B/session")
	runtime.KeepAlive(srv)
}

// heap returns how many bytes are reachable.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
