package checkout_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// catalog holds the IDs of objects that the test server knows.
type catalog struct {
	srv                                     *checkouttest.Server
	price, monthly, product, customer, rate string
}

func newCatalog(t *testing.T) catalog {
	t.Helper()
	srv := checkouttest.NewServer(checkouttest.Config{Start: testStart})
	t.Cleanup(srv.Close)
	k := catalog{srv: srv, product: "prod_tea"}
	k.price = srv.AddPrice(checkouttest.Price{Product: k.product, Name: "Tea", Currency: "usd", UnitAmount: 900})
	k.monthly = srv.AddPrice(checkouttest.Price{Name: "Tea club", Currency: "usd", UnitAmount: 900, Interval: "month"})
	customer, err := srv.Client().V1Customers.Create(t.Context(), &stripe.CustomerCreateParams{Name: stripe.String("Jenny")})
	require.NoError(t, err)
	rate, err := srv.Client().V1ShippingRates.Create(t.Context(), &stripe.ShippingRateCreateParams{
		DisplayName: stripe.String("Post"), Type: stripe.String("fixed_amount"),
		FixedAmount: &stripe.ShippingRateCreateFixedAmountParams{Amount: stripe.Int64(490), Currency: stripe.String("usd")},
	})
	require.NoError(t, err)
	k.customer, k.rate = customer.ID, rate.ID
	return k
}

// sessionMaker makes random sessions. Most of their fields are valid; some are at a limit or beyond it.
type sessionMaker struct {
	*rand.Rand
	catalog
}

func pick[T any](m *sessionMaker, all ...T) T { return all[m.IntN(len(all))] }

// seldom is true one time in n.
func (m *sessionMaker) seldom(n int) bool { return m.IntN(n) == 0 }

// text is a text of about most characters, or of a few.
func (m *sessionMaker) text(most int) string {
	switch {
	case m.seldom(60):
		return pick(m, "", " ", "a\x00b", "\xff", "caf\xc3", "\x00")
	case m.seldom(15):
		return strings.Repeat(pick(m, "x", "é", "漢", "🍵"), most+m.IntN(3)-1)
	default:
		return pick(m, "Tea", "Café & crème", "50% = \"gut\"; [neu]", "a\nb\tc", "\x0b\x1b", "\u202e\ufeff", "+ %zz", "漢字")
	}
}

func (m *sessionMaker) url(most int) string {
	switch {
	case m.seldom(15):
		return pick(m, "", "/thanks", "http://shop.example/", "https:///", "https://:443/", "https://a b/", "https://shop.example/\xff", "HTTPS://SHOP.EXAMPLE")
	case m.seldom(15):
		return "https://shop.example/" + strings.Repeat(pick(m, "a", "é"), most-len("https://shop.example/")+m.IntN(3)-1)
	default:
		return pick(m, "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}", "http://localhost:8080/%7BCHECKOUT_SESSION_ID%7D",
			"https://bücher.example/ü?q=%20#x", "http://[::1]/", "https://shop.example")
	}
}

func (m *sessionMaker) amount() checkout.Amount {
	return pick(m, checkout.MustAmount("0", "usd"), checkout.MustAmount("0.50", "usd"), checkout.MustAmount("19.99", "usd"),
		checkout.MustAmount("9000", "usd"))
}

func (m *sessionMaker) line(mode checkout.Mode) checkout.Line {
	l := checkout.Line{SKU: m.text(255), Quantity: int64(1 + m.IntN(3))}
	inline := !m.seldom(3)
	switch {
	case inline && m.seldom(4):
		l.Product, l.Name, l.UnitAmount = m.product, m.text(5000), m.amount()
	case inline:
		l.Name, l.UnitAmount = m.text(5000), m.amount()
		if m.seldom(2) {
			l.Description = m.text(40_000)
		}
		for range m.IntN(3) {
			l.Images = append(l.Images, m.url(2048))
		}
	default:
		l.Price = m.price
	}
	if inline && mode == checkout.ModeSubscription && m.seldom(2) {
		l.Recurring = checkout.Recurring{Interval: checkout.IntervalMonth, Count: int64(m.IntN(2))}
		if m.seldom(20) {
			l.Recurring = checkout.Recurring{Interval: pick(m, checkout.IntervalDay, checkout.IntervalYear), Count: int64(m.IntN(4))}
		}
	}
	return l
}

func (m *sessionMaker) session() checkout.Session {
	s := checkout.Session{
		OrderID: pick(m, "o_-9", strings.Repeat("x", 200)), Currency: pick(m, "usd", "USD"),
		Mode:    pick(m, "", checkout.ModePayment, checkout.ModePayment, checkout.ModeSubscription, checkout.ModeSetup),
		HoldFor: pick(m, 0, time.Nanosecond, time.Hour, 24*time.Hour-time.Minute),
		Locale:  pick(m, "", "auto", "pt-BR", "es-419"),
	}
	if s.UIMode = pick(m, "", checkout.UIModeHosted, checkout.UIModeEmbedded); s.UIMode == checkout.UIModeEmbedded {
		s.ReturnURL = m.url(5000)
	} else {
		s.SuccessURL, s.CancelURL = m.url(5000), m.url(5000)
	}
	switch m.IntN(4) {
	case 0:
		s.Customer = m.customer
	case 1:
		s.CustomerEmail = pick(m, "jenny@shop.example", `"a b"@shop.example`, "é@shop.example", "a@[127.0.0.1]", "a@b", "a@b@c",
			strings.Repeat("a", 498+m.IntN(3))+"@shop.example")
	}
	if m.seldom(3) {
		s.PaymentMethodTypes = pick(m, []string{"card"}, []string{"card", "us_bank_account"})
	}
	if m.seldom(3) {
		s.Metadata = map[string]string{}
		for range pick(m, 1, 2, 46, 47) {
			s.Metadata[fmt.Sprint(m.text(40), m.IntN(1000))] = m.text(500)
		}
		s.Metadata["empty"] = ""
	}
	if m.seldom(3) {
		s.Shipping.Countries = pick(m, []string{"DE", "ZZ"}, []string{"US"}, []string{"UK"})
	}
	s.ManualCapture = m.seldom(5)
	if s.Mode == checkout.ModeSubscription && m.seldom(3) {
		s.TrialDays = pick(m, int64(1), 730, 731)
	}
	if s.Mode != checkout.ModeSetup {
		s.AllowPromotionCodes, s.AutomaticTax, s.Variable = m.seldom(3), m.seldom(3), m.seldom(3)
		for range 1 + m.IntN(4) {
			s.Lines = append(s.Lines, m.line(s.Mode))
		}
		recurs := slices.ContainsFunc(s.Lines, func(l checkout.Line) bool { return l.Recurring != (checkout.Recurring{}) })
		if s.Mode == checkout.ModeSubscription && !recurs {
			s.Lines = append(s.Lines, checkout.Line{Price: m.monthly, Quantity: 1}) // only Stripe knows that it recurs
		}
		for range m.IntN(3) * m.IntN(2) {
			s.Shipping.Options = append(s.Shipping.Options, pick(m, checkout.ShippingOption{Rate: m.rate},
				checkout.ShippingOption{Name: m.text(100), Amount: m.amount(), MinDays: int64(m.IntN(2)), MaxDays: int64(m.IntN(4))}))
		}
	}
	if m.seldom(3) {
		for i := range s.Lines {
			s.Lines[i].SKU = ""
		}
	}
	if m.seldom(3) {
		s.Connect = checkout.Connect{Destination: "acct_2", OnBehalfOf: "acct_3"}
		if m.seldom(2) {
			s.Connect.ApplicationFee = checkout.MustAmount("0.10", "usd")
		}
	}
	return s
}

// tooCheap reports whether the server refused a session for costing less than can be charged. Session.validate sets no
// lower limit.
func tooCheap(err error) bool {
	var refusal *stripe.Error
	return errors.As(err, &refusal) && refusal.Code == stripe.ErrorCodeAmountTooSmall
}

// The test server takes every session that the validator takes.
func TestServerTakesWhatIsValid(t *testing.T) {
	t.Parallel()
	k := newCatalog(t)
	valid := map[checkout.Mode]int{}
	refused := 0
	for seed := range uint64(3000) {
		m := &sessionMaker{rand.New(rand.NewPCG(seed, 1)), k}
		s := m.session()
		params, err := s.CreateParams(k.srv.Now())
		if err != nil {
			var invalid *checkout.InvalidSessionError
			require.ErrorAs(t, err, &invalid)
			refused++
			continue
		}
		valid[s.Mode]++
		_, err = k.srv.Client().V1CheckoutSessions.Create(t.Context(), params)
		if !tooCheap(err) {
			require.NoError(t, err, "seed %d", seed)
		}
	}
	t.Log(valid, refused)
	for _, mode := range []checkout.Mode{checkout.ModePayment, checkout.ModeSubscription, checkout.ModeSetup} {
		require.Greater(t, valid[mode], 50, mode)
	}
	require.Greater(t, refused, 500)
}

// refusedByStripe are changes of valid parameters that Stripe refuses. A value of "-" removes its key.
var refusedByStripe = map[string]map[string]string{
	"NUL in a name":                    {"line_items[0][price_data][product_data][name]": "a\x00b"},
	"NUL in a URL":                     {"success_url": "https://shop.example/\x00"},
	"a metadata value that is no text": {"metadata[k]": "\xff"},
	"a metadata key that is no text":   {"metadata[k\xff]": "v"},
	"a mirrored value that is no text": {"payment_intent_data[metadata][k]": "\xed\xa0\x80"},
	"NUL in a metadata key":            {"metadata[k\x00]": "v"},
	"long success URL":                 {"success_url": "https://shop.example/" + strings.Repeat("a", 4980)},
	"long cancel URL":                  {"cancel_url": "https://shop.example/" + strings.Repeat("a", 4980)},
	"long name":                        {"line_items[0][price_data][product_data][name]": strings.Repeat("é", 5001)},
	"long description":                 {"line_items[0][price_data][product_data][description]": strings.Repeat("d", 40_001)},
	"long image URL":                   {"line_items[0][price_data][product_data][images][0]": "https://a.example/" + strings.Repeat("a", 2048)},
	"long name of an option": {
		"shipping_options[0][shipping_rate_data][display_name]":           strings.Repeat("d", 101),
		"shipping_options[0][shipping_rate_data][type]":                   "fixed_amount",
		"shipping_options[0][shipping_rate_data][fixed_amount][amount]":   "1",
		"shipping_options[0][shipping_rate_data][fixed_amount][currency]": "usd",
	},
	"options of a subscription": {
		"mode": "subscription", "line_items[0][price_data][recurring][interval]": "month", "payment_intent_data[metadata][a]": "-",
		"shipping_options[0][shipping_rate]": "shr_1",
	},
	"country that is none": {"shipping_address_collection[allowed_countries][0]": "UK"},
	"long reference":       {"client_reference_id": strings.Repeat("é", 201)},
	"9 images": {
		"line_items[0][price_data][product_data][images][0]": "https://a.example/0", "line_items[0][price_data][product_data][images][1]": "https://a.example/1",
		"line_items[0][price_data][product_data][images][2]": "https://a.example/2", "line_items[0][price_data][product_data][images][3]": "https://a.example/3",
		"line_items[0][price_data][product_data][images][4]": "https://a.example/4", "line_items[0][price_data][product_data][images][5]": "https://a.example/5",
		"line_items[0][price_data][product_data][images][6]": "https://a.example/6", "line_items[0][price_data][product_data][images][7]": "https://a.example/7",
		"line_items[0][price_data][product_data][images][8]": "https://a.example/8",
	},
}

func TestServerRefusesWhatStripeRefuses(t *testing.T) {
	t.Parallel()
	k := newCatalog(t)
	for name, change := range refusedByStripe {
		values := map[string]string{
			"mode": "payment", "success_url": "https://shop.example/", "line_items[0][quantity]": "1",
			"line_items[0][price_data][currency]": "usd", "line_items[0][price_data][unit_amount]": "100",
			"line_items[0][price_data][product_data][name]": "Tea",
		}
		create := func() error {
			params := &stripe.CheckoutSessionCreateParams{}
			for key, value := range values {
				if value != "-" {
					params.AddExtra(key, value)
				}
			}
			_, err := k.srv.Client().V1CheckoutSessions.Create(t.Context(), params)
			return err
		}
		require.NoError(t, create(), "without the change")
		maps.Copy(values, change)
		var refusal *stripe.Error
		require.ErrorAs(t, create(), &refusal, name)
		require.Equal(t, 400, refusal.HTTPStatusCode, name)
		require.Equal(t, stripe.ErrorTypeInvalidRequest, refusal.Type, name)
	}
	// The limits themselves are fine, and so is an empty value of metadata.
	_, err := k.srv.Client().V1CheckoutSessions.Create(t.Context(), &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("payment"), SuccessURL: stripe.String("https://shop.example/" + strings.Repeat("é", 5000-21)),
		ClientReferenceID: stripe.String(strings.Repeat("é", 200)), Metadata: map[string]string{"empty": "", "a\nb": "c"},
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency: stripe.String("usd"), UnitAmount: stripe.Int64(100),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{
					Name: stripe.String(strings.Repeat("é", 5000)), Description: stripe.String(strings.Repeat("é", 40_000)),
				},
			},
		}},
	})
	require.NoError(t, err)
}

// A session that is refused leaves nothing behind: no order, no held stock, no request to Stripe.
func TestRefusedSessionLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(cartOf("order-0", "tee")) // the shop's own row, and the first request
	calls, orders := len(s.wire.calls), len(s.st.Scan(""))
	for name, change := range map[string]func(c *checkout.Session){
		"NUL in a SKU":  func(c *checkout.Session) { c.Lines[0].SKU = "te\x00e" },
		"NUL in a name": func(c *checkout.Session) { c.Lines[0].Name = "\x00" },
		"no text":       func(c *checkout.Session) { c.Metadata = map[string]string{"k": "\xff"} },
		"long URL":      func(c *checkout.Session) { c.SuccessURL += strings.Repeat("x", 5000) },
		"variable":      func(c *checkout.Session) { c.Variable = true },
		"options of a club": func(c *checkout.Session) {
			c.Mode, c.Lines[0].Recurring = checkout.ModeSubscription, checkout.Recurring{Interval: checkout.IntervalMonth}
			c.Shipping.Options = []checkout.ShippingOption{{Name: "Post", Amount: checkout.MustAmount("1", "usd")}}
		},
		"no text from Params": func(c *checkout.Session) {
			c.Params = func(p *stripe.CheckoutSessionCreateParams) { p.AddMetadata("k", "\x00") }
		},
	} {
		c := cartOf("order-1", "tee")
		change(&c)
		var invalid *checkout.InvalidSessionError
		_, err := s.flow.Begin(t.Context(), c)
		require.ErrorAs(t, err, &invalid, name)
		_, err = s.flow.Draft(t.Context(), c)
		require.ErrorAs(t, err, &invalid, name)
		_, err = s.flow.Order(t.Context(), "order-1")
		require.Error(t, err, name)
	}
	require.Len(t, s.wire.calls, calls)
	require.Len(t, s.st.Scan(""), orders)
	s.requireStock("tee", 4, 1, 0)
}

// crossSell makes the session's customer buy a cup as well, by a setting of the Dashboard that the create call does not
// show.
func (s *testShop) crossSell(sessionID string) {
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/line_items") {
			return answer(r, 200, `{"object":"list","has_more":false,"url":"`+r.URL.Path+`","data":[
				{"id":"li_1","object":"item","description":"Item untracked","quantity":1,"price":{"id":"price_1","object":"price","unit_amount":1999}},
				{"id":"li_2","object":"item","description":"Cup","quantity":1,"price":{"id":"price_2","object":"price","unit_amount":800}}]}`), nil
		}
		response, err := send()
		if err != nil || r.Method != http.MethodGet {
			return response, err
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		body = regexp.MustCompile(`"amount_subtotal":\s*1999`).ReplaceAll(body, []byte(`"amount_subtotal":2799`))
		return answer(r, response.StatusCode, string(body)), nil
	})
	s.loseWebhooks()
	s.pay(sessionID)
	object := paidSession(sessionID)
	object["amount_subtotal"], object["amount_total"] = 2799, 2799
	require.Equal(s.t, http.StatusOK, s.completes(object))
}

// Settings of the Dashboard can add to what a customer buys. Session.Variable says whether that is accepted, or parked
// until a person decides.
func TestVariable(t *testing.T) {
	t.Parallel()
	for _, priced := range []bool{false, true} {
		for _, accepted := range []bool{false, true} {
			s := newShop(t)
			c := cartOf("order-1", "untracked")
			c.Lines[0].SKU, c.Variable = "", accepted
			if priced { // at Stripe, so that the cart has no sum of its own
				price := s.srv.AddPrice(checkouttest.Price{Name: "Item untracked", Currency: "usd", UnitAmount: 1999})
				c.Currency, c.Lines[0] = "usd", checkout.Line{Name: "Item untracked", Price: price, Quantity: 1}
			}
			started := s.begin(c)
			require.Equal(t, accepted, s.order("order-1").Attempts[0].Quote.Variable)
			s.crossSell(started.SessionID)
			o := s.order("order-1")
			if !accepted {
				require.NotEmpty(t, o.Parked)
				require.Zero(t, s.shipments("order-1"))
				continue
			}
			require.Empty(t, o.Parked)
			require.Equal(t, 1, s.shipments("order-1"))
			require.Equal(t, []store.Line{
				{Name: "Item untracked", UnitAmount: 1999, Quantity: 1}, {Name: "Cup", UnitAmount: 800, Quantity: 1},
			}, o.Lines)
			require.Equal(t, int64(2799), o.Amounts.Subtotal)
		}
	}
}

// The same cart with another choice is another cart, and Stripe is told of the choice in the session's metadata alone.
func TestVariableIsPartOfTheCart(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := cartOf("order-1", "untracked")
	c.Lines[0].SKU = ""
	first := s.begin(c)
	c.Variable = true
	second := s.begin(c)
	require.NotEqual(t, first.SessionID, second.SessionID)
	require.True(t, s.begin(c).Reused)
	require.Equal(t, "true", s.stripeSession(second.SessionID).Metadata["fulfil_variable"])
	require.NotContains(t, s.stripeSession(first.SessionID).Metadata, "fulfil_variable")
}
