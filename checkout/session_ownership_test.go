package checkout_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// oursCase is a completed session that reaches the endpoint of a shop with one order, order-1, for the last of its stock.
type oursCase struct {
	name  string
	cart  func(c *checkout.Session)                 // changes what is begun
	lost  bool                                      // the answer to Begin was: the session exists and was not recorded
	sends func(s *testShop, ours string) (code int) // what Stripe is answered
	code  int

	// The facts that are recorded of the order:
	status  checkout.DisplayStatus
	parked  string  // a part of it
	stock   []int64 // available, held, sold
	foreign int64

	told []checkout.ChangeKind // the merchant
	then func(s *testShop, ours string)
}

var (
	held     = []int64{0, 1, 0}
	sold     = []int64{0, 0, 1}
	mismatch = []checkout.ChangeKind{checkout.ChangeMismatch}
)

// Case → status code → what is recorded → what the merchant is told.
var oursCases = []oursCase{
	// Not ours: acknowledged and counted.
	{name: "a Payment Link with client_reference_id set by its customer", sends: foreign(func(p *stripe.CheckoutSessionCreateParams, _ map[string]string) {
		p.ClientReferenceID = stripe.String("order-1")
	}), code: 200, status: "open", stock: held, foreign: 1},
	{name: "a session of another app", sends: foreign(func(p *stripe.CheckoutSessionCreateParams, _ map[string]string) {
		p.ClientReferenceID, p.Metadata = nil, map[string]string{"cart": "7"}
	}), code: 200, status: "open", stock: held, foreign: 1},
	{name: "another shop on the same account", sends: foreign(func(p *stripe.CheckoutSessionCreateParams, ours map[string]string) {
		ours["fulfil_shop"] = "shop_other"
		p.Metadata = ours
	}), code: 200, status: "open", stock: held, foreign: 1},
	{name: "an event of stripe trigger", sends: func(s *testShop, _ string) int {
		return s.completes(map[string]any{
			"id": "cs_test_a1fixture", "object": "checkout.session", "status": "complete", "payment_status": "paid", "mode": "payment",
			"currency": "usd", "amount_subtotal": 3000, "amount_total": 3000, "livemode": false,
			"client_reference_id": nil, "metadata": map[string]any{}, "payment_intent": "pi_fixture",
		})
	}, code: 200, status: "open", stock: held, foreign: 1},

	// Ours, and the order is not there: Stripe is to come again.
	{name: "ours without an order", sends: foreign(func(p *stripe.CheckoutSessionCreateParams, ours map[string]string) {
		ours["fulfil_order"] = "order-lost"
		p.Metadata = ours
	}), code: 500, status: "open", stock: held},
	{name: "ours without an attempt", sends: foreign(func(p *stripe.CheckoutSessionCreateParams, ours map[string]string) {
		ours["fulfil_attempt"] = "7"
		p.Metadata = ours
	}), code: 200, status: "paid", parked: "attempt 7 of the order is not in the store", stock: held, told: mismatch},

	// Ours but different: recorded as paid, parked, told, and not fulfilled.
	{name: "a Payment Link with copied metadata", sends: foreign(func(p *stripe.CheckoutSessionCreateParams, ours map[string]string) {
		p.Metadata = ours
	}), code: 200, status: "paid", parked: "not one that was begun for the order", stock: held, told: mismatch,
		then: func(s *testShop, ours string) { // the customer was faster than the sweep that ends the real one
			s.pay(ours)
			s.requireStatus("order-1", checkout.Fulfilled)
			require.Empty(s.t, s.order("order-1").Parked)
			s.requireStock("last", 0, 0, 1)
		}},
	{name: "copied metadata, and never paid", sends: func(s *testShop, ours string) int {
		id := s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) { p.Metadata = s.stripeSession(ours).Metadata })
		_, err := s.srv.Client().V1CheckoutSessions.Expire(s.t.Context(), id, nil)
		require.NoError(s.t, err)
		s.srv.Flush()
		return s.answered(id)
	}, code: 200, status: "open", stock: held},
	{name: "copied metadata of a session that was not recorded, at another price", lost: true,
		sends: foreign(func(p *stripe.CheckoutSessionCreateParams, ours map[string]string) {
			p.Metadata, p.LineItems[0].PriceData.UnitAmount = ours, stripe.Int64(50)
		}), code: 200, status: "paid", parked: "subtotal is not 1999", stock: held, told: mismatch},
	{name: "copied metadata of a session that was not recorded, on a connected account", lost: true,
		sends: foreign(func(p *stripe.CheckoutSessionCreateParams, ours map[string]string) {
			p.Metadata = ours
			p.SetStripeAccount("acct_other")
		}), code: 200, status: "open", stock: held, foreign: 1},
	{name: "a test event at a live endpoint", cart: live, sends: paidWith("livemode", false), code: 200, status: "open", stock: held, foreign: 1},
	{name: "a live event at a test endpoint", sends: paidWith("livemode", true), code: 200, status: "open", stock: held, foreign: 1},
	{name: "a live event at a test endpoint, of an order that is not there", sends: func(s *testShop, ours string) int {
		object, metadata := paidSession("cs_live_lost"), s.stripeSession(ours).Metadata
		metadata["fulfil_order"] = "order-lost"
		object["livemode"], object["metadata"], object["created"] = true, metadata, s.srv.Now().Unix()
		return s.completes(object)
	}, code: 200, status: "open", stock: held, foreign: 1},
	{name: "another currency", sends: paidWith("currency", "eur"), code: 200, status: "paid",
		parked: "currency is eur, not usd", stock: held, told: mismatch},
	{name: "another subtotal", sends: paidWith("amount_subtotal", 1), code: 200, status: "paid",
		parked: "subtotal is not 1999", stock: held, told: mismatch},
	{name: "no subtotal", sends: paidWith("amount_subtotal", nil), code: 200, status: "paid",
		parked: "subtotal is not 1999", stock: held, told: mismatch},
	{name: "quantities changed that were fixed", sends: paidWith("amount_subtotal", 3998), code: 200, status: "paid",
		parked: "subtotal is not 1999", stock: held, told: mismatch},
	{name: "another mode", sends: paidWith("mode", "setup"), code: 200, status: "paid",
		parked: "mode is setup, not payment", stock: held, told: mismatch},

	// Ours, and what was sold: fulfilled, whatever comes on top or off.
	{name: "nothing is different", sends: paidWith("mode", "payment"), code: 200, status: checkout.Fulfilled, stock: sold},
	{name: "promotion codes to zero", cart: func(c *checkout.Session) { c.AllowPromotionCodes = true }, sends: func(s *testShop, ours string) int {
		object := paidSession(ours)
		object["payment_status"], object["amount_total"] = "no_payment_required", 0
		object["total_details"] = map[string]any{"amount_discount": 1999}
		return s.completes(object)
	}, code: 200, status: checkout.Fulfilled, stock: sold, then: amounts(store.Amounts{Subtotal: 1999, Discount: 1999})},
	{name: "automatic tax", cart: func(c *checkout.Session) { c.AutomaticTax = true }, sends: func(s *testShop, ours string) int {
		object := paidSession(ours)
		object["amount_total"], object["total_details"] = 2379, map[string]any{"amount_tax": 380}
		return s.completes(object)
	}, code: 200, status: checkout.Fulfilled, stock: sold, then: amounts(store.Amounts{Subtotal: 1999, Tax: 380, Total: 2379})},
	{name: "shipping", cart: func(c *checkout.Session) {
		c.Shipping = checkout.Shipping{Countries: []string{"DE"}, Options: []checkout.ShippingOption{
			{Name: "Parcel", Amount: checkout.MustAmount("4.90", "usd")},
		}}
	}, sends: (*testShop).pays, code: 200, status: checkout.Fulfilled, stock: sold,
		then: amounts(store.Amounts{Subtotal: 1999, Shipping: 490, Total: 2489})},
	{name: "the order's own connected account", cart: func(c *checkout.Session) { c.Connect.Account = "acct_1" },
		sends: (*testShop).pays, code: 200, status: checkout.Fulfilled, stock: sold},
	{name: "a session that was not recorded", lost: true, sends: (*testShop).pays, code: 200, status: checkout.Fulfilled, stock: sold},
	{name: "manual capture, never captured", cart: func(c *checkout.Session) { c.ManualCapture = true },
		sends: (*testShop).pays, code: 200, status: "processing", stock: held, told: []checkout.ChangeKind{checkout.ChangeProcessing},
		then: func(s *testShop, ours string) { // Stripe lets go after a week: https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
			s.srv.Advance(6 * 24 * time.Hour)
			s.sweep()
			s.requireStatus("order-1", "processing")
			s.srv.Advance(2 * 24 * time.Hour)
			s.sweep()
			s.requireStatus("order-1", "failed")
			s.requireStock("last", 1, 0, 0)
			require.Zero(s.t, s.shipments("order-1"))
			require.Equal(s.t, []checkout.ChangeKind{checkout.ChangeProcessing, checkout.ChangeFailed}, s.kinds())
		}},
}

func TestOnlyWhatWeSold(t *testing.T) {
	t.Parallel()
	for _, c := range oursCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			cart := cartOf("order-1", "last")
			if c.cart != nil {
				c.cart(&cart)
			}
			s.wire.on(liveIfMarked)
			var ours string
			if c.lost {
				ours = s.beginUnrecorded(cart)
			} else {
				ours = s.begin(cart).SessionID
			}
			shipments := 0
			if c.status == checkout.Fulfilled {
				shipments = 1
			}

			require.Equal(t, c.code, c.sends(s, ours))
			s.requireStatus("order-1", c.status)
			s.requireStock("last", c.stock[0], c.stock[1], c.stock[2])
			require.Equal(t, c.told, s.kinds())
			if foreign := s.flow.ForeignSessions(); testPayloads() != checkouttest.Both {
				require.Equal(t, c.foreign, foreign)
			} else { // some of the events come in both forms
				require.Equal(t, c.foreign > 0, foreign > 0)
			}
			require.Equal(t, shipments, s.shipments("order-1"))
			o := s.order("order-1")
			if c.parked == "" {
				require.Empty(t, o.Parked)
			} else {
				require.Contains(t, o.Parked, c.parked)
				require.True(t, o.Stuck())
			}
			if c.then != nil {
				c.then(s, ours)
				return
			}
			if c.status != "open" { // it stays as it is
				s.srv.Advance(48 * time.Hour)
				s.sweep()
				s.requireStatus("order-1", c.status)
				require.Equal(t, shipments, s.shipments("order-1"))
			}
		})
	}
}

// foreignSession creates a session like that of order-1, as somebody else could.
func (s *testShop) foreignSession(change func(p *stripe.CheckoutSessionCreateParams)) string {
	s.t.Helper()
	params, err := cartOf("order-1", "last").CreateParams(s.srv.Now())
	require.NoError(s.t, err)
	params.Metadata = nil
	change(params)
	session, err := s.srv.Client().V1CheckoutSessions.Create(s.t.Context(), params)
	require.NoError(s.t, err)
	return session.ID
}

// foreign has a session created and paid that somebody made; ours is the metadata of the session of order-1.
func foreign(change func(p *stripe.CheckoutSessionCreateParams, ours map[string]string)) func(*testShop, string) int {
	return func(s *testShop, ours string) int {
		return s.pays(s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) { change(p, s.stripeSession(ours).Metadata) }))
	}
}

// pays pays a session and returns what Stripe was answered.
func (s *testShop) pays(id string) (code int) {
	s.t.Helper()
	s.pay(id)
	code = s.answered(id)
	status, _ := s.status(id)
	if s.flow.ForeignSessions() > 0 {
		require.Equal(s.t, http.StatusNotFound, status, "nobody learns of a session that is not ours")
	}
	return code
}

// answered is what Stripe was answered to the last event of a session.
func (s *testShop) answered(id string) (code int) {
	s.t.Helper()
	for _, e := range s.sent() {
		if e.ObjectID == id && strings.HasPrefix(e.Type, "checkout.session.") {
			code = e.Attempts[0].Status
		}
	}
	return code
}

// completes delivers the event that a session was completed.
func (s *testShop) completes(object map[string]any) (code int) {
	w := httptest.NewRecorder()
	s.hook.ServeHTTP(w, webhooktest.NewRequest("/", webhooktest.Event{
		Type: "checkout.session.completed", Created: s.srv.Now(), APIVersion: stripe.APIVersion, Object: object,
	}.Payload(), s.srv.WebhookSecret(), s.srv.Now()))
	return w.Code
}

// The Store was restored from a backup of before the shop's mode was known. An event of the other mode changes nothing all the same,
// and a payment is settled.
func TestModeOfARestoredStore(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ours := s.begin(cartOf("order-1", "last")).SessionID
	require.NoError(t, s.st.SetCursor(t.Context(), "mode", ""))
	s.runAs(func(*checkout.Config[tx]) {}) // a process that starts after the restore
	require.Equal(t, http.StatusOK, paidWith("livemode", true)(s, ours))
	s.requireStatus("order-1", "open")
	s.pay(ours)
	s.requireStatus("order-1", checkout.Fulfilled)
	mode, err := s.st.Cursor(t.Context(), "mode")
	require.NoError(t, err)
	require.Equal(t, "test", mode)
}

// paidSession is the session of order-1 as it is sold.
func paidSession(id string) map[string]any {
	return map[string]any{
		"id": id, "object": "checkout.session", "status": "complete", "payment_status": "paid", "mode": "payment",
		"currency": "usd", "amount_subtotal": 1999, "amount_total": 1999, "livemode": false,
	}
}

func paidWith(member string, value any) func(*testShop, string) int {
	return func(s *testShop, ours string) int {
		object := paidSession(ours)
		object[member] = value
		return s.completes(object)
	}
}

func amounts(want store.Amounts) func(*testShop, string) {
	return func(s *testShop, _ string) { require.Equal(s.t, want, s.order("order-1").Amounts) }
}

// live marks a session that Stripe is to answer as one for real money.
func live(c *checkout.Session) { c.Metadata = map[string]string{"live": "yes"} }

var livemode = regexp.MustCompile(`"livemode":\s*false`)

func liveIfMarked(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
	response, err := send()
	if err != nil || !strings.HasPrefix(r.URL.Path, "/v1/checkout/sessions") {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(body, []byte(`"live"`)) {
		body = livemode.ReplaceAll(body, []byte(`"livemode":true`))
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response, nil
}

// A session that was not recorded belongs to its attempt by the mark alone. Names and numbers are no secret.
func TestUnrecordedAttemptTakesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]func(r *http.Request) (*http.Response, error){
		"429": func(r *http.Request) (*http.Response, error) {
			response := answer(r, 429, `{"error":{"type":"rate_limit_error"}}`)
			response.Header.Set("Retry-After", "600") // longer than Begin has
			return response, nil
		},
		"500": func(r *http.Request) (*http.Response, error) {
			return answer(r, 500, `{"error":{"type":"api_error"}}`), nil
		},
		"reset": func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			var metadata map[string]string
			s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				if !isCreate(r) {
					return send()
				}
				require.NoError(t, r.ParseForm())
				metadata = map[string]string{}
				for _, key := range []string{"fulfil_shop", "fulfil_order", "fulfil_attempt"} {
					metadata[key] = r.PostForm.Get("metadata[" + key + "]")
				}
				return failure(r)
			})
			_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee"))
			require.Error(t, err)
			s.wire.on(nil)

			number, mark, _ := strings.Cut(metadata["fulfil_attempt"], "-")
			require.NotEmpty(t, mark)
			for _, forged := range []string{number, number + "-", number + "-" + strings.Repeat("A", len(mark))} {
				metadata["fulfil_attempt"] = forged
				id := s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) { p.Metadata = metadata })
				s.pay(id)
			}
			o := s.order("order-1")
			require.Zero(t, s.shipments("order-1"))
			require.True(t, o.Stuck())
			require.Empty(t, o.Attempts[0].SessionID)

			// A session of which Stripe knows nothing with the shop's key: of the other mode, or invented.
			metadata["fulfil_attempt"] = number + "-" + mark
			object := paidSession("cs_test_invented")
			object["metadata"] = metadata
			for _, live := range []bool{true, false} {
				object["livemode"] = live
				require.Equal(t, 200, s.completes(object))
			}
			require.Zero(t, s.shipments("order-1"))
			require.Len(t, s.order("order-1").Attempts, len(o.Attempts))
		})
	}
}

// The session of an attempt whose mark was stolen, and whose place another payment took, is recorded as soon as its money is on
// its way, so that its capture is not missed. Found by the simulation.
func TestAuthorizedAfterItsMarkWasStolen(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cart := cartOf("order-1", "tee")
	cart.ManualCapture = true
	ours := s.beginUnrecorded(cart)
	metadata := s.stripeSession(ours).Metadata
	s.pay(s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) {
		p.Metadata, p.LineItems[0].PriceData.UnitAmount = metadata, stripe.Int64(50)
	}))
	require.Contains(t, s.order("order-1").Parked, "subtotal is not 1999")

	s.pay(ours)
	_, err := s.srv.Client().V1PaymentIntents.Capture(t.Context(), s.stripeSession(ours).PaymentIntent.ID, nil)
	require.NoError(t, err)
	s.srv.Flush()
	o := s.order("order-1")
	a := o.AttemptBySession(ours)
	require.NotNil(t, a)
	require.True(t, a.Paid)
	require.True(t, o.Stuck())
	require.Zero(t, s.shipments("order-1"))
}

// Forged events make no order larger, however many there are.
func TestForgedEventsAreBounded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ours := s.begin(cartOf("order-1", "tee")).SessionID
	metadata := s.stripeSession(ours).Metadata
	for range 30 {
		s.pay(s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) { p.Metadata = metadata }))
		s.pay(s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) {
			p.Metadata = metadata
			p.SetStripeAccount("acct_other")
		}))
	}
	o := s.order("order-1")
	require.Len(t, o.Attempts, 11)
	encoded, err := o.Encode()
	require.NoError(t, err)
	require.Less(t, len(encoded), 20_000)
	s.pay(ours)
	s.requireStatus("order-1", checkout.Fulfilled)
}

// An event of another account is nothing to an order, also if the event names a session of the order.
func TestRecordedSessionOnAnotherAccount(t *testing.T) {
	t.Parallel()
	for _, account := range []string{"", "acct_1"} {
		s := newShop(t)
		cart := cartOf("order-1", "tee")
		cart.Connect.Account = account
		id := s.begin(cart).SessionID
		for _, from := range []string{"acct_2", account} {
			err := s.hook.Dispatch(t.Context(), fmt.Appendf(nil, `{"id":"evt_%s","object":"event","type":"checkout.session.completed","account":%q,`+
				`"api_version":%q,"created":%d,"livemode":false,"data":{"object":{"id":%q,"object":"checkout.session","status":"complete",`+
				`"payment_status":"paid","mode":"payment","currency":"usd","amount_subtotal":1999,"amount_total":1999,"livemode":false}}}`,
				from, from, stripe.APIVersion, s.srv.Now().Unix(), id))
			require.NoError(t, err)
			require.Equal(t, from == account, s.order("order-1").Paid(), "event of %q", from)
		}
	}
}

// A session that was not recorded is refused if Stripe's answer is of another mode than the shop, as with a key of that mode.
func TestUnrecordedSessionOfTheOtherMode(t *testing.T) {
	t.Parallel()
	for _, livemode := range []string{"true", "false"} {
		s := newShop(t)
		id := s.beginUnrecorded(cartOf("order-1", "tee"))
		s.begin(cartOf("order-2", "tee")) // the shop is of test mode
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			response, err := send()
			if err != nil || r.URL.Path != "/v1/checkout/sessions/"+id {
				return response, err
			}
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			return answer(r, http.StatusOK, regexp.MustCompile(`"livemode": ?false`).ReplaceAllString(string(body), `"livemode": `+livemode)), nil
		})
		s.pay(id)
		require.Equal(t, livemode == "false", s.order("order-1").Paid(), "live: %s", livemode)
	}
}
