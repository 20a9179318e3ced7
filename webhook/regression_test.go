package webhook

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// These tests are named after failures that were reported of other systems. Each shows that this package handles the same
// situation. Package checkout has those about orders.

// dj-stripe/dj-stripe#832: an event was marked as seen before its handlers ran. When one of them failed, Stripe's next try
// was taken for a duplicate and answered with success, and the handler never ran again.
func TestDJStripe832FailedHandlerIsRetried(t *testing.T) {
	t.Parallel()
	st := newFakeStore()
	h := newTestHandler(t, Config{})
	broken := true
	On(h, InvoicePaid, Once("crm", st, func(_ context.Context, tx *fakeTx, e *Event[stripe.Invoice]) error {
		tx.rows = append(tx.rows, e.ID)
		if broken {
			return errBoom
		}
		return nil
	}))
	for range 3 {
		require.Equal(t, http.StatusInternalServerError, serve(h, invoicePaid("evt_1")).Code)
	}
	broken = false
	require.Equal(t, http.StatusOK, serve(h, invoicePaid("evt_1")).Code)
	require.Equal(t, http.StatusOK, serve(h, invoicePaid("evt_1")).Code)
	require.Equal(t, []string{"evt_1"}, st.rows)
}

// dj-stripe/dj-stripe#1239: the same event was delivered twice, and the second delivery failed at the database's unique
// constraint and was answered with an error.
func TestDJStripe1239DuplicatesAreNoErrors(t *testing.T) {
	t.Parallel()
	st := newFakeStore()
	h := newTestHandler(t, Config{})
	On(h, InvoicePaid, Once("crm", st, func(_ context.Context, tx *fakeTx, e *Event[stripe.Invoice]) error {
		tx.rows = append(tx.rows, e.ID)
		return nil
	}))
	var wg sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wg.Go(func() { codes[i] = serve(h, invoicePaid("evt_1")).Code })
	}
	wg.Wait()
	for _, code := range codes {
		require.Equal(t, http.StatusOK, code)
	}
	require.Equal(t, []string{"evt_1"}, st.rows)
}

// stripe/stripe-go#770: it was not clear how to get at the object of an event as a Go type, nor whether it could be trusted
// to be of that type. Here a handler is given the type, and an event with another object reaches no handler.
func TestStripeGo770ObjectIsTyped(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{})
	var got []string
	On(h, CustomerSubscriptionUpdated, func(_ context.Context, e *Event[stripe.Subscription]) error {
		got = append(got, e.Object.ID+" "+string(e.Object.Status))
		return nil
	})
	payload := `{"id":"evt_1","object":"event","type":"customer.subscription.updated","data":{"object":` +
		`{"id":"sub_1","object":"subscription","status":"active"}}}`
	require.Equal(t, http.StatusOK, serve(h, []byte(payload)).Code)
	require.Equal(t, []string{"sub_1 active"}, got)
	other := strings.Replace(payload, `"object":"subscription"`, `"object":"charge"`, 1)
	require.NotEqual(t, http.StatusOK, serve(h, []byte(other)).Code)
	require.Len(t, got, 1)
}

// stripe/stripe-go#1333: in events of old API versions "request" is the ID itself and no object, and so whole events could
// not be decoded because of a field that the program did not use.
func TestStripeGo1333RequestIsAString(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{})
	var got []string
	On(h, ChargeSucceeded, func(_ context.Context, e *Event[stripe.Charge]) error {
		got = append(got, e.Object.ID)
		return nil
	})
	require.Equal(t, http.StatusOK, serve(h, []byte(`{"id":"evt_1","object":"event","api_version":"2015-04-07",`+
		`"created":1630488697,"request":"req_1","type":"charge.succeeded","data":{"object":{"id":"ch_1","object":"charge"}}}`)).Code)
	require.Equal(t, []string{"ch_1"}, got)
}

// openmeterio/openmeter#2080: the endpoint sent events of another API version than the library was made for, and the library
// refused every one of them.
func TestOpenMeter2080OtherAPIVersion(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{})
	handled := 0
	On(h, InvoicePaid, func(context.Context, *Event[stripe.Invoice]) error { handled++; return nil })
	for _, version := range []string{"2023-10-16", "2024-09-30.acacia", "2099-01-01.tomorrow"} {
		payload := `{"id":"evt_1","object":"event","api_version":"` + version + `","type":"invoice.paid",` +
			`"data":{"object":{"id":"in_1","object":"invoice"}}}`
		require.Equal(t, http.StatusOK, serve(h, []byte(payload)).Code)
		require.Equal(t, int64(1), h.APIVersions()[version])
	}
	require.Equal(t, 3, handled)
}
