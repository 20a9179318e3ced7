package checkouttest_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// receiptOf returns the receipt_url of the charge of a session, or "" if it has none.
func receiptOf(t *testing.T, srv *checkouttest.Server, session string) string {
	t.Helper()
	return retrieve(t, srv, session, "payment_intent.latest_charge").PaymentIntent.LatestCharge.ReceiptURL
}

// receiptText returns the text of a receipt, with one space between the words.
func receiptText(t *testing.T, srv *checkouttest.Server, url string, header ...string) string {
	t.Helper()
	page := visitor{t, srv}.do("GET", url, nil, header...)
	require.Equal(t, http.StatusOK, page.status)
	require.NotContains(t, page.body, "<script")
	require.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'")
	_, main, _ := strings.Cut(page.body, "<main>")
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(main, " ")), " ")
}

// A receipt shows what was paid, and what was given back since.
func TestReceipt(t *testing.T) {
	t.Parallel()
	srv, _, sess := paid(t, checkouttest.CardOK)
	url := receiptOf(t, srv, sess.ID)
	date := srv.Now().UTC().Format("2 January 2006")
	line := "Amount paid $19.99 Currency USD Date " + date + " Payment method Visa •••• 4242"
	require.Equal(t, "Receipt from Test Shop "+line, receiptText(t, srv, url))

	failed, err := srv.Refund(sess.ID, 300)
	require.NoError(t, err)
	_, err = srv.Refund(sess.ID, 499)
	require.NoError(t, err)
	refund := "Refunded on " + date + " -$"
	require.Contains(t, receiptText(t, srv, url), line+" "+refund+"3.00 "+refund+"4.99 Paid after refunds $12.00")
	require.NoError(t, srv.FailRefund(failed))
	require.Contains(t, receiptText(t, srv, url), line+" "+refund+"4.99 Paid after refunds $15.00")
	require.Contains(t, receiptText(t, srv, url, "Accept-Language", "de"), "Bezahlt nach Erstattungen 15,00 $")
}

// A debit has a receipt when it has settled, and its refund is pending for a day.
func TestReceiptOfADebit(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	id := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(id, checkouttest.BankDebit))
	require.Empty(t, receiptOf(t, srv, id))
	in.types(t)
	require.NoError(t, srv.Settle(id))
	url := receiptOf(t, srv, id)
	require.Contains(t, receiptText(t, srv, url), "Bank debit •••• 6789")
	in.mu.Lock()
	require.Contains(t, string(in.bodies[len(in.bodies)-3]), url, "charge.succeeded has it")
	in.mu.Unlock()
	_, err := srv.Refund(id, 0)
	require.NoError(t, err)
	require.Contains(t, receiptText(t, srv, url), "This refund is pending -$19.99 Paid after refunds $0.00")
	srv.Advance(24 * time.Hour)
	require.NotContains(t, receiptText(t, srv, url), "pending")
}

// The receipt of an authorization says that nothing was charged.
func TestReceiptOfAnAuthorization(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	hold := func() (receipt, intent string) {
		id := makeSession(t, srv, teeForm("payment_intent_data[capture_method]", "manual"))
		require.NoError(t, srv.Pay(id, "5555555555554444"))
		return receiptOf(t, srv, id), retrieve(t, srv, id).PaymentIntent.ID
	}
	url, intent := hold()
	text := receiptText(t, srv, url)
	require.Contains(t, text, "Amount authorized Not charged yet. $19.99")
	require.Contains(t, text, "Mastercard •••• 4444")
	call(t, srv, "POST", "/v1/payment_intents/"+intent+"/capture", form("amount_to_capture", "1500"))
	require.Contains(t, receiptText(t, srv, url), "Amount paid $15.00")
	url, intent = hold()
	call(t, srv, "POST", "/v1/payment_intents/"+intent+"/cancel", nil)
	require.Contains(t, receiptText(t, srv, url), "Amount authorized Released, nothing was charged. $19.99")
}

// Texts of a shop are text on the receipt, too.
func TestReceiptIsEscaped(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{ShopName: "<b>Tea</b>"})
	id := makeSession(t, srv, teeForm("payment_intent_data[description]", "<script>alert(1)</script>"))
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	page := visitor{t, srv}.get(receiptOf(t, srv, id))
	require.Contains(t, page.body, "&lt;b&gt;Tea&lt;/b&gt;")
	require.Contains(t, page.body, "&lt;script&gt;alert(1)&lt;/script&gt;")
	require.NotContains(t, page.body, "<script>")
}

// A charge that failed has no receipt, and neither has another object.
func TestNoReceipt(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	id := create(t, srv, tee()).ID
	require.Error(t, srv.Pay(id, checkouttest.CardDeclined))
	require.Empty(t, receiptOf(t, srv, id))
	intent := retrieve(t, srv, id, "payment_intent").PaymentIntent
	for _, path := range []string{"ch_none", intent.LatestCharge.ID, intent.ID} {
		page := visitor{t, srv}.do("GET", "/receipts/payment/"+path, nil, "Referer", "https://shop.example/")
		require.Equal(t, http.StatusNotFound, page.status, path)
		require.Contains(t, page.body, "There is no such page")
	}
}
