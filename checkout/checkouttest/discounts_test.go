package checkouttest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// coupon makes a coupon and returns its ID.
func coupon(t *testing.T, srv *checkouttest.Server, pairs ...string) string {
	t.Helper()
	resp, body := request(t, srv, "POST", "/v1/coupons", form(pairs...))
	require.Equal(t, 200, resp.StatusCode, body)
	return body["id"].(string)
}

func TestDiscountOfASession(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for name, c := range map[string]struct {
		coupon   []string
		off      int64
		lines    []int64
		quantity int64
	}{
		"a share":                  {[]string{"percent_off", "12.5"}, 375 + 94, []int64{375, 94}, 3},
		"an amount":                {[]string{"amount_off", "1000", "currency", "usd"}, 1000, []int64{800, 200}, 3},
		"more than all":            {[]string{"amount_off", "9000", "currency", "usd"}, 3750, []int64{3000, 750}, 3},
		"everything":               {[]string{"percent_off", "100"}, 3750, []int64{3000, 750}, 3},
		"an amount that is uneven": {[]string{"amount_off", "101", "currency", "usd"}, 101, []int64{80, 21}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := coupon(t, srv, c.coupon...)
			params := tee()
			params.LineItems[0].PriceData.UnitAmount = stripe.Int64(3000)
			params.LineItems = append(params.LineItems, tee().LineItems...)
			params.LineItems[1].PriceData.UnitAmount = stripe.Int64(250)
			params.LineItems[1].Quantity = &c.quantity
			params.Discounts = []*stripe.CheckoutSessionCreateDiscountParams{{Coupon: &id}}
			sess := create(t, srv, params)
			require.EqualValues(t, 3750, sess.AmountSubtotal)
			require.Equal(t, 3750-c.off, sess.AmountTotal)
			require.Equal(t, c.off, sess.TotalDetails.AmountDiscount)
			require.Equal(t, id, sess.Discounts[0].Coupon.ID)
			require.NoError(t, srv.Pay(sess.ID, checkouttest.CardOK))
			sess = retrieve(t, srv, sess.ID, "payment_intent", "line_items", "discounts.coupon")
			require.EqualValues(t, 1, sess.Discounts[0].Coupon.TimesRedeemed)
			for i, off := range c.lines {
				line := sess.LineItems.Data[i]
				require.Equal(t, off, line.AmountDiscount)
				require.Equal(t, line.AmountSubtotal-off, line.AmountTotal)
			}
			if c.off == 3750 {
				require.EqualValues(t, "no_payment_required", sess.PaymentStatus)
				require.Nil(t, sess.PaymentIntent)
				return
			}
			require.Equal(t, 3750-c.off, sess.PaymentIntent.AmountReceived)
		})
	}
}

// renewed lets a subscription with a coupon run for some months, and returns what each invoice asked for.
func renewed(t *testing.T, months int, pairs ...string) (due []int64) {
	t.Helper()
	srv := newServer(t, checkouttest.Config{Start: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)})
	in := newInbox(srv)
	id := coupon(t, srv, pairs...)
	params := monthly()
	params.Discounts = []*stripe.CheckoutSessionCreateDiscountParams{{Coupon: &id}}
	session := create(t, srv, params)
	require.NoError(t, srv.Pay(session.ID, checkouttest.CardOK))
	require.Equal(t, session.AmountTotal, in.invoiceTotal(t))
	used, err := srv.Client().V1Coupons.Retrieve(context.Background(), id, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, used.TimesRedeemed)
	for range months {
		srv.Advance(srv.Now().AddDate(0, 1, 0).Sub(srv.Now()))
	}
	srv.Advance(time.Hour)
	list := &stripe.InvoiceListParams{}
	list.AddExpand("data.discounts")
	for inv, err := range srv.Client().V1Invoices.List(context.Background(), list) {
		require.NoError(t, err)
		require.Equal(t, inv.AmountDue, inv.AmountPaid)
		require.Len(t, inv.TotalDiscountAmounts, len(inv.Discounts))
		if len(inv.Discounts) > 0 {
			require.Equal(t, inv.Subtotal-inv.Total, inv.TotalDiscountAmounts[0].Amount)
			require.Equal(t, id, inv.Discounts[0].Coupon.ID)
		}
		due = append([]int64{inv.AmountDue}, due...)
	}
	toldLast(t, srv)
	return due
}

// invoiceTotal returns what the last invoice.paid tells.
func (in *inbox) invoiceTotal(t *testing.T) int64 {
	t.Helper()
	inv := in.last(t, "invoice.paid")["data"].(map[string]any)["object"].(map[string]any)
	return int64(inv["amount_paid"].(float64))
}

// The first invoice is 14.00 with the cup, the others are 9.00.
func TestDiscountOfASubscription(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int64{700, 900, 900}, renewed(t, 2, "percent_off", "50"))
	require.Equal(t, []int64{700, 450, 450, 450}, renewed(t, 3, "percent_off", "50", "duration", "forever"))
	require.Equal(t, []int64{1100, 600, 600, 900, 900}, renewed(t, 4, "amount_off", "300", "currency", "eur", "duration", "repeating", "duration_in_months", "3"))
}

// A coupon that counts once counts for the first invoice that costs something.
func TestDiscountAfterATrial(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	id := coupon(t, srv, "percent_off", "50")
	params := trial(7)
	params.Discounts = []*stripe.CheckoutSessionCreateDiscountParams{{Coupon: &id}}
	session := create(t, srv, params).ID
	require.NoError(t, srv.Pay(session, checkouttest.CardOK))
	sub := retrieve(t, srv, session, "subscription.discounts").Subscription
	require.Equal(t, id, sub.Discounts[0].Coupon.ID)
	require.Equal(t, sub.ID, sub.Discounts[0].Subscription)
	srv.Advance(7*day + time.Hour)
	require.EqualValues(t, 450, subscription(t, srv, sub.ID).LatestInvoice.AmountPaid)
	require.Empty(t, subscription(t, srv, sub.ID).Discounts)
	srv.Advance(31 * day)
	require.EqualValues(t, 900, subscription(t, srv, sub.ID).LatestInvoice.AmountPaid)
}

func TestPromotionCodes(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Start: time.Unix(1_800_000_000, 0)})
	half := coupon(t, srv, "percent_off", "50")
	code := func(word string, pairs ...string) string {
		resp, body := request(t, srv, "POST", "/v1/promotion_codes", form(append([]string{"coupon", half, "code", word}, pairs...)...))
		require.Equal(t, 200, resp.StatusCode, body)
		return body["id"].(string)
	}
	tea := code("TEA")
	code("ONCE", "max_redemptions", "1")
	code("OFF", "active", "false")
	code("SHORT", "expires_at", "1800000060")
	code("LARGE", "restrictions[minimum_amount]", "5000", "restrictions[minimum_amount_currency]", "usd")
	euro, err := srv.Client().V1Coupons.Create(context.Background(), &stripe.CouponCreateParams{AmountOff: stripe.Int64(5), Currency: stripe.String("eur")})
	require.NoError(t, err)
	code("EURO", "coupon", euro.ID)
	srv.Advance(time.Minute)
	open := func() string {
		params := tee()
		params.AllowPromotionCodes = stripe.Bool(true)
		return create(t, srv, params).ID
	}
	pay := func(id, word string) error {
		return srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{PromotionCode: word})
	}
	id := open()
	for _, word := range []string{"OFF", "SHORT", "LARGE", "EURO", "COFFEE"} {
		require.ErrorIs(t, pay(id, word), checkouttest.ErrPromotionCode, word)
	}
	require.ErrorIs(t, pay(create(t, srv, tee()).ID, "TEA"), checkouttest.ErrPromotionCode, "the session asks for no code")
	require.EqualValues(t, 1999, retrieve(t, srv, id).AmountTotal)
	require.Error(t, srv.Pay(id, checkouttest.CardDeclined))
	require.NoError(t, pay(id, "tea"))
	sess := retrieve(t, srv, id, "payment_intent", "discounts.promotion_code")
	require.EqualValues(t, 999, sess.PaymentIntent.AmountReceived, "of 19.99, a thousand is taken off")
	require.Equal(t, tea, sess.Discounts[0].PromotionCode.ID)
	require.EqualValues(t, 1, sess.Discounts[0].PromotionCode.TimesRedeemed)
	require.NoError(t, pay(open(), "ONCE"))
	require.ErrorIs(t, pay(open(), "ONCE"), checkouttest.ErrPromotionCode, "it is used up")
	require.Equal(t, []string{tea}, ids(t, srv, "/v1/promotion_codes?code=TEA"))
	require.Len(t, ids(t, srv, "/v1/promotion_codes?coupon="+half), 5)

	_, err = srv.Client().V1PromotionCodes.Update(context.Background(), tea, &stripe.PromotionCodeUpdateParams{Active: stripe.Bool(false)})
	require.NoError(t, err)
	require.ErrorIs(t, pay(open(), "TEA"), checkouttest.ErrPromotionCode)
	_, err = srv.Client().V1Coupons.Delete(context.Background(), half, nil)
	require.NoError(t, err)
	_, _, message := refusal(t, srv, "/v1/checkout/sessions", append(pairsOf(teeForm()), "discounts[0][coupon]", half)...)
	require.Contains(t, message, "No such coupon")
	_, _, message = refusal(t, srv, "/v1/checkout/sessions", append(pairsOf(teeForm()), "discounts[0][promotion_code]", tea)...)
	require.Contains(t, message, "Coupon expired")
	_, _, message = refusal(t, srv, "/v1/checkout/sessions", append(pairsOf(teeForm()), "discounts[0][coupon]", euro.ID, "allow_promotion_codes", "true")...)
	require.Contains(t, message, "only specify one")
}

// pairsOf returns a form as pairs of keys and values.
func pairsOf(values map[string][]string) (pairs []string) {
	for key, vs := range values {
		pairs = append(pairs, key, vs[0])
	}
	return pairs
}

func TestCouponsAreRefused(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Start: time.Unix(1_800_000_000, 0)})
	coupon(t, srv, "id", "SPRING", "percent_off", "10")
	for _, pairs := range [][]string{
		{},
		{"percent_off", "0"},
		{"percent_off", "100.5"},
		{"percent_off", "5", "amount_off", "5", "currency", "usd"},
		{"percent_off", "5", "currency", "usd"},
		{"amount_off", "5"},
		{"amount_off", "0", "currency", "usd"},
		{"amount_off", "5", "currency", "xxx"},
		{"percent_off", "5", "duration", "repeating"},
		{"percent_off", "5", "duration_in_months", "2"},
		{"percent_off", "5", "duration", "always"},
		{"percent_off", "5", "redeem_by", "1800000000"},
		{"percent_off", "5", "id", "SPRING"},
	} {
		refusal(t, srv, "/v1/coupons", pairs...)
	}
	require.Equal(t, []string{"SPRING"}, ids(t, srv, "/v1/coupons"))
}

// A subscription's discount is replaced and removed over the API.
func TestDiscountIsReplaced(t *testing.T) {
	t.Parallel()
	srv, _, id, update := member(t)
	next := func() int64 {
		srv.Advance(31 * day)
		return subscription(t, srv, id).LatestInvoice.AmountPaid
	}
	update(200, "discounts[0][coupon]", coupon(t, srv, "percent_off", "10", "duration", "forever"))
	require.EqualValues(t, 810, next())
	update(200, "discounts[0][coupon]", coupon(t, srv, "amount_off", "100", "currency", "eur", "duration", "forever"))
	require.EqualValues(t, 800, next())
	update(200, "discounts", "")
	require.EqualValues(t, 900, next())
	update(400, "discounts[0][coupon]", coupon(t, srv, "amount_off", "100", "currency", "usd"))
	update(400, "discounts[0][coupon]", "NONE")
	toldLast(t, srv)
}
