package checkouttest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// transferable are the parameters of a session of a customer who may pay 20.00 EUR by bank transfer.
func transferable(customer string, more ...string) []string {
	return shirt(append([]string{
		"customer", customer, "payment_method_types[0]", "card", "payment_method_types[1]", "customer_balance",
		"payment_method_options[customer_balance][funding_type]", "bank_transfer",
		"payment_method_options[customer_balance][bank_transfer][type]", "eu_bank_transfer",
		"payment_method_options[customer_balance][bank_transfer][eu_bank_transfer][country]", "DE",
	}, more...)...)
}

// A transferer is a customer with a session that waits for a bank transfer.
type transferer struct {
	t                 *testing.T
	srv               *checkouttest.Server
	in                *inbox
	customer, session string
	intent            string
}

func newTransferer(t *testing.T) *transferer {
	t.Helper()
	srv := newServer(t, checkouttest.Config{})
	x := &transferer{t: t, srv: srv, in: newInbox(srv)}
	x.customer = x.post("/v1/customers", "email", "buyer@shop.example")["id"].(string)
	x.session, x.intent = x.waiting()
	return x
}

// waiting returns a further session that waits for a bank transfer, and its payment intent.
func (x *transferer) waiting() (session, intent string) {
	x.t.Helper()
	session = x.post("/v1/checkout/sessions", transferable(x.customer)...)["id"].(string)
	require.NoError(x.t, x.srv.Pay(session, checkouttest.BankTransfer))
	return session, x.get("/v1/checkout/sessions/" + session)["payment_intent"].(string)
}

func (x *transferer) post(path string, pairs ...string) map[string]any {
	x.t.Helper()
	response, o := request(x.t, x.srv, "POST", path, form(pairs...))
	require.Equal(x.t, http.StatusOK, response.StatusCode, o)
	return o
}

func (x *transferer) get(path string) map[string]any {
	x.t.Helper()
	response, o := request(x.t, x.srv, "GET", path, nil)
	require.Equal(x.t, http.StatusOK, response.StatusCode, o)
	return o
}

// remaining returns the amount for which the payment waits.
func (x *transferer) remaining(intent string) any {
	x.t.Helper()
	action := x.get("/v1/payment_intents/" + intent)["next_action"]
	if action == nil {
		return nil
	}
	return action.(map[string]any)["display_bank_transfer_instructions"].(map[string]any)["amount_remaining"]
}

// cash returns the customer's cash balance in euros.
func (x *transferer) cash() any {
	x.t.Helper()
	available, _ := x.get("/v1/customers/" + x.customer + "/cash_balance")["available"].(map[string]any)
	return available["eur"]
}

// heard returns the types of the events since the last call.
func (x *transferer) heard() (types []string) {
	x.t.Helper()
	x.srv.Flush()
	for _, e := range x.in.take(x.t) {
		types = append(types, e["type"].(string))
	}
	return types
}

// A payment by bank transfer waits for as long as it takes, is funded in parts, and what is too much stays with the customer.
func TestBankTransferInParts(t *testing.T) {
	t.Parallel()
	x := newTransferer(t)
	require.Equal(t, []string{"payment_intent.created", "payment_intent.requires_action", "checkout.session.completed"}, x.heard()[1:], "the customer was first")
	session := x.get("/v1/checkout/sessions/" + x.session)
	require.Equal(t, "complete", session["status"])
	require.Equal(t, "unpaid", session["payment_status"])
	pi := x.get("/v1/payment_intents/" + x.intent + "?expand[]=payment_method")
	require.Equal(t, "requires_action", pi["status"])
	require.Equal(t, "customer_balance", pi["payment_method"].(map[string]any)["type"])
	told := pi["next_action"].(map[string]any)["display_bank_transfer_instructions"].(map[string]any)
	require.Equal(t, "eu_bank_transfer", told["type"])
	require.EqualValues(t, 2000, told["amount_remaining"])
	require.Equal(t, "DE", told["financial_addresses"].([]any)[0].(map[string]any)["iban"].(map[string]any)["country"])
	require.Nil(t, x.cash())

	x.srv.Advance(40 * day)
	require.Empty(t, x.heard(), "nothing ends it")
	require.NoError(t, x.srv.Transfer(x.session, 500))
	require.Equal(t, []string{"customer_cash_balance_transaction.created", "customer_cash_balance_transaction.created", "payment_intent.partially_funded"}, x.heard())
	require.EqualValues(t, 1500, x.remaining(x.intent))
	require.EqualValues(t, 0, x.get("/v1/payment_intents/" + x.intent)["amount_received"])
	require.EqualValues(t, 0, x.cash())

	require.NoError(t, x.srv.Transfer(x.session, 1700))
	require.Equal(t, []string{
		"customer_cash_balance_transaction.created", "customer_cash_balance_transaction.created", "charge.succeeded", "payment_intent.succeeded",
		"checkout.session.async_payment_succeeded", "cash_balance.funds_available",
	}, x.heard())
	require.Equal(t, "paid", x.get("/v1/checkout/sessions/" + x.session)["payment_status"])
	paid := x.get("/v1/payment_intents/" + x.intent + "?expand[]=latest_charge")
	require.Equal(t, "succeeded", paid["status"])
	require.Nil(t, paid["next_action"])
	charge := paid["latest_charge"].(map[string]any)
	require.Equal(t, "customer_balance", charge["payment_method_details"].(map[string]any)["type"])
	require.Equal(t, paid["payment_method"], charge["payment_method"])
	require.EqualValues(t, 200, x.cash())
	require.ErrorIs(t, x.srv.Transfer(x.session, 0), checkouttest.ErrAmount)
	require.ErrorIs(t, x.srv.Settle(x.session), checkouttest.ErrNotPending)
	require.ErrorIs(t, x.srv.Bounce(x.session), checkouttest.ErrNotPending)

	list := x.get("/v1/customers/" + x.customer + "/cash_balance_transactions")["data"].([]any)
	var sum float64
	for _, txn := range list {
		sum += txn.(map[string]any)["net_amount"].(float64)
		one := x.get("/v1/customers/" + x.customer + "/cash_balance_transactions/" + txn.(map[string]any)["id"].(string))
		require.Equal(t, txn, one)
	}
	require.EqualValues(t, 200, sum)
	require.Len(t, list, 4)
	require.Equal(t, "applied_to_payment", list[0].(map[string]any)["type"])

	// The cash balance pays for the next session, as far as it goes.
	_, second := x.waiting()
	require.EqualValues(t, 1800, x.remaining(second))
	require.Contains(t, x.heard(), "payment_intent.partially_funded")
}

// The client of stripe-go funds a cash balance, and a balance that is high enough pays at once.
func TestBankTransferIsPaidAtOnce(t *testing.T) {
	t.Parallel()
	x := newTransferer(t)
	txn, err := x.srv.Client().V1TestHelpersCustomers.FundCashBalance(t.Context(), x.customer, &stripe.TestHelpersCustomerFundCashBalanceParams{
		Amount: stripe.Int64(5000), Currency: stripe.String("eur"),
	})
	require.NoError(t, err)
	require.EqualValues(t, 5000, txn.NetAmount)
	require.Equal(t, "eu_bank_transfer", string(txn.Funded.BankTransfer.Type))
	x.heard()
	session := x.post("/v1/checkout/sessions", transferable(x.customer)...)["id"].(string)
	require.NoError(t, x.srv.Pay(session, checkouttest.BankTransfer))
	require.Equal(t, "paid", x.get("/v1/checkout/sessions/" + session)["payment_status"])
	require.EqualValues(t, 1000, x.cash())
	require.NotContains(t, x.heard(), "payment_intent.requires_action")
}

// A session that makes its customer keeps the money of that customer.
func TestBankTransferOfANewCustomer(t *testing.T) {
	t.Parallel()
	x := newTransferer(t)
	values := form(transferable("", "customer_creation", "always")...)
	values.Del("customer")
	_, made := request(t, x.srv, "POST", "/v1/checkout/sessions", values)
	session := made["id"].(string)
	require.NoError(t, x.srv.Pay(session, checkouttest.BankTransfer))
	x.customer = x.get("/v1/checkout/sessions/" + session)["customer"].(string)
	require.NoError(t, x.srv.Transfer(session, 2100))
	require.Equal(t, "paid", x.get("/v1/checkout/sessions/" + session)["payment_status"])
	require.EqualValues(t, 100, x.cash())
	require.EqualValues(t, 2000, x.remaining(x.intent), "another customer's payment waits")
}

// Money goes to the payment whose reference it names, else to the one that waits for this amount, else to the oldest.
func TestBankTransferIsReconciled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		amount    string
		reference bool // of the second payment
		left      []any
	}{
		"by its reference": {"700", true, []any{2000.0, 1300.0}},
		"to the oldest":    {"700", false, []any{1300.0, 2000.0}},
		"to both":          {"2500", false, []any{nil, 1500.0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTransferer(t)
			_, second := x.waiting()
			fund := []string{"amount", c.amount, "currency", "eur"}
			if c.reference {
				told := x.get("/v1/payment_intents/" + second)["next_action"].(map[string]any)["display_bank_transfer_instructions"].(map[string]any)
				fund = append(fund, "reference", told["reference"].(string))
			}
			x.post("/v1/test_helpers/customers/"+x.customer+"/fund_cash_balance", fund...)
			require.Equal(t, c.left, []any{x.remaining(x.intent), x.remaining(second)})
		})
	}
	x := newTransferer(t)
	_, second := x.waiting()
	x.post("/v1/test_helpers/customers/"+x.customer+"/fund_cash_balance", "amount", "700", "currency", "eur")
	x.post("/v1/test_helpers/customers/"+x.customer+"/fund_cash_balance", "amount", "2000", "currency", "eur")
	require.Equal(t, []any{1300.0, nil}, []any{x.remaining(x.intent), x.remaining(second)}, "by its amount")
}

// The shop gives up a payment that was never, or only partly, funded. The money is the customer's again, and pays what else waits.
func TestBankTransferIsCanceled(t *testing.T) {
	t.Parallel()
	x := newTransferer(t)
	require.NoError(t, x.srv.Transfer(x.session, 500))
	_, second := x.waiting()
	x.heard()
	pi := x.post("/v1/payment_intents/"+x.intent+"/cancel", "cancellation_reason", "abandoned")
	require.Equal(t, "canceled", pi["status"])
	require.Nil(t, pi["next_action"])
	require.EqualValues(t, 1500, x.remaining(second))
	require.EqualValues(t, 0, x.cash())
	require.Equal(t, []string{
		"customer_cash_balance_transaction.created", "customer_cash_balance_transaction.created", "payment_intent.partially_funded", "payment_intent.canceled",
	}, x.heard())
	require.Equal(t, "unpaid", x.get("/v1/checkout/sessions/" + x.session)["payment_status"])
	require.ErrorIs(t, x.srv.Settle(x.session), checkouttest.ErrNotPending)
	require.ErrorIs(t, x.srv.Transfer(x.session, 0), checkouttest.ErrAmount)

	x.post("/v1/payment_intents/" + second + "/cancel")
	require.EqualValues(t, 500, x.cash())
	require.Equal(t, "cash_balance.funds_available", x.heard()[1])
	thin := x.srv.ThinEvents()
	response, event := requestV2(t, x.srv, "GET", "/v2/core/events/"+thin[len(thin)-2].ID, nil)
	require.Equal(t, http.StatusOK, response.StatusCode, event)
	require.Equal(t, map[string]any{"type": "cash_balance", "url": "/v1/customers/" + x.customer + "/cash_balance"}, event["related_object"])
}

// A payment intent without a session is funded as the CLI's trigger for payment_intent.partially_funded does it.
func TestBankTransferWithoutSession(t *testing.T) {
	t.Parallel()
	x := newTransferer(t)
	pi := x.post("/v1/payment_intents", "amount", "20000", "currency", "jpy", "customer", x.customer, "payment_method_types[]", "customer_balance",
		"payment_method_data[type]", "customer_balance", "payment_method_options[customer_balance][funding_type]", "bank_transfer",
		"payment_method_options[customer_balance][bank_transfer][type]", "jp_bank_account", "confirm", "true")
	require.Equal(t, "requires_action", pi["status"])
	x.heard()
	x.post("/v1/test_helpers/customers/"+x.customer+"/fund_cash_balance", "amount", "10000", "currency", "jpy")
	require.Contains(t, x.heard(), "payment_intent.partially_funded")
	x.post("/v1/test_helpers/customers/"+x.customer+"/fund_cash_balance", "amount", "10000", "currency", "jpy")
	require.Equal(t, "succeeded", x.get("/v1/payment_intents/" + pi["id"].(string))["status"])
	require.NotContains(t, x.heard(), "checkout.session.async_payment_succeeded")
}

func TestBankTransferIsRefused(t *testing.T) {
	t.Parallel()
	x := newTransferer(t)
	options := "payment_method_options[customer_balance]"
	for param, change := range map[string][]string{
		"customer":                        {"customer", ""},
		options + "[funding_type]":        {options + "[funding_type]", ""},
		options + "[bank_transfer][type]": {options + "[bank_transfer][type]", "us_bank_transfer"},
		options + "[setup_future_usage]":  {options + "[setup_future_usage]", "off_session"},
		"payment_method_types":            {"mode", "setup"},
		"capture_method":                  {"payment_intent_data[capture_method]", "manual"},
		options + "[bank_transfer][eu_bank_transfer][country]": {options + "[bank_transfer][eu_bank_transfer][country]", ""},
	} {
		values := form(transferable(x.customer)...)
		values.Set(change[0], change[1])
		if change[1] == "" {
			values.Del(change[0])
		}
		response, o := request(t, x.srv, "POST", "/v1/checkout/sessions", values)
		if change[0] == "mode" { // it has no lines either
			require.Equal(t, http.StatusBadRequest, response.StatusCode)
			continue
		}
		require.Equal(t, http.StatusBadRequest, response.StatusCode, param)
		require.Equal(t, param, o["error"].(map[string]any)["param"])
	}
	response, _ := request(t, x.srv, "POST", "/v1/payment_intents/"+x.intent, form("amount", "3000"))
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	card := create(t, x.srv, tee()).ID
	require.ErrorIs(t, x.srv.Pay(card, checkouttest.BankTransfer), checkouttest.ErrMethodNotOffered)
	require.ErrorIs(t, x.srv.Transfer(card, 1), checkouttest.ErrNotPending)
}

// The hosted page offers the transfer, and then tells where to send the money.
func TestBankTransferOnThePage(t *testing.T) {
	t.Parallel()
	x := newTransferer(t)
	session := x.post("/v1/checkout/sessions", transferable(x.customer)...)
	v := visitor{t, x.srv}
	page := v.get(session["url"].(string))
	require.Contains(t, page.body, "Bank transfer")
	got := v.submit(page, map[string][]string{"payment-method-accordion-item-title": {"customer_balance"}, "billingName": {"A Buyer"}, "billingCountry": {"DE"}})
	require.Equal(t, http.StatusSeeOther, got.status)
	require.Contains(t, got.location, "/bank_transfers/instructions/pi_")
	told := v.get(got.location)
	for _, want := range []string{"Transfer €20.00", "DE00TEST0000000001", "https://shop.example/thanks", "<dt>Reference</dt>"} {
		require.Contains(t, told.body, want)
	}
	require.Contains(t, v.get(session["url"].(string)).body, "How to send the money")
	require.NoError(t, x.srv.Settle(session["id"].(string)))
	require.Equal(t, http.StatusNotFound, v.get(got.location).status)
}
