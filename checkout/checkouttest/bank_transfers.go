package checkouttest

import (
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// A payment by bank transfer waits in requires_action until the customer's cash balance covers it. Money that arrives goes to the cash
// balance, and from there to the payments that wait. Nothing ends such a payment: it waits until the shop cancels it.
// https://docs.stripe.com/payments/bank-transfers/accept-a-payment

// customerBalance is the type of payment method that a bank transfer pays with.
const customerBalance = "customer_balance"

// Transfer lets the customer of a session transfer an amount, in minor units of the session's currency, to the bank account that the page
// of a payment by bank transfer shows. Less than the payment asks for funds a part of it, and what is too much stays in the customer's
// cash balance. Like Pay, it waits for the deliveries. Errors: ErrNoSession, ErrNotPending (the session was not checked out with
// BankTransfer), ErrAmount (the amount is not positive).
func (s *Server) Transfer(sessionID string, amount int64) error {
	return s.changeSession(sessionID, func(sess *session) error {
		pi := s.objects[sess.str("payment_intent")]
		switch {
		case amount < 1:
			return ErrAmount
		case pi == nil || sess.str("status") != "complete" || s.objects[pi.str("payment_method")].str("type") != customerBalance:
			return ErrNotPending
		}
		s.fund(s.objects[pi.str("customer")], pi.str("currency"), amount, referenceOf(pi), nil)
		return nil
	})
}

// checkTransfer refuses the parameters of a session that offers bank transfers and lacks what they need.
func checkTransfer(p *formparams.Param, currency string) *apiError {
	options := p.Get("payment_method_options", customerBalance)
	funding, transfer := options.Get("funding_type"), options.Get("bank_transfer")
	kind := transfer.Get("type")
	name := "payment_method_options[" + customerBalance + "]"
	switch {
	case p.Get("mode").String() != "payment" && p.Get("mode") != nil:
		return invalid("", "payment_method_types", "The payment method type `%s` can only be used in payment mode.", customerBalance)
	case p.Get("customer") == nil && p.Get("customer_creation").String() != "always":
		return invalid("parameter_missing", "customer", "The payment method type `%s` requires a customer.", customerBalance)
	case p.Get("payment_intent_data", "capture_method").String() == "manual" || p.Get("capture_method").String() == "manual":
		return invalid("", "capture_method", "The payment method type `%s` does not support manual capture.", customerBalance)
	case funding == nil:
		return missing(name + "[funding_type]")
	case kind == nil:
		return missing(name + "[bank_transfer][type]")
	case kind.String() == "eu_bank_transfer" && transfer.Get("eu_bank_transfer", "country") == nil:
		return missing(name + "[bank_transfer][eu_bank_transfer][country]")
	}
	if err := oneOf(funding, "bank_transfer"); err != nil {
		return err
	}
	if err := oneOf(transfer.Get("eu_bank_transfer", "country"), "BE", "DE", "ES", "FR", "IE", "NL"); err != nil {
		return err
	}
	// The fixture of the CLI's trigger for payment_intent.partially_funded says jp_bank_account.
	if kind.String() != transferTypes[currency] && (currency != "jpy" || kind.String() != "jp_bank_account") {
		return invalid("", kind.Name, "The bank transfer type `%s` can't be used with the currency `%s`.", kind.String(), currency)
	}
	return nil
}

// transferTypes are the types of bank transfers, by their currency.
var transferTypes = map[string]string{
	"eur": "eu_bank_transfer", "gbp": "gb_bank_transfer", "jpy": "jp_bank_transfer", "mxn": "mx_bank_transfer", "usd": "us_bank_transfer",
}

// payByTransfer confirms the session's payment intent with a bank transfer. The cash balance pays at once as far as it goes.
func (s *Server) payByTransfer(sess *session) {
	s.ensureCustomer(sess)
	pi := s.objects[sess.pi]
	currency := pi.str("currency")
	method := newMethod(s.newID("pm_1", 23), customerBalance, object{}, object{
		"address": sess.buyer.Address.shown(), "email": orNull(sess.buyer.Email), "name": orNull(sess.buyer.Name), "phone": nil, "tax_id": nil,
	}, s.Now().Unix())
	s.keep(sess, method)
	pi["payment_method"] = method["id"]
	available := s.cashOf(pi.str("customer"))[currency]
	amount := pi["amount"].(int64)
	if available >= amount {
		s.applyCash(pi, amount)
		return
	}
	s.changeIntent(sess, "payment_intent.requires_action", object{"status": "requires_action", "last_payment_error": nil, "next_action": s.instructions(sess, pi, amount)})
	if available > 0 {
		s.applyCash(pi, available)
	}
	s.complete(sess, "unpaid")
}

// instructions tells the customer where to send the money:
// https://docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action-display_bank_transfer_instructions
func (s *Server) instructions(sess *session, pi object, remaining int64) object {
	kind := transferTypes[pi.str("currency")]
	country := sess.sent.Get("payment_method_options", customerBalance, "bank_transfer", "eu_bank_transfer", "country").String()
	if country == "" { // the parameters of an intent without a session
		country = sess.sent.Get("payment_intent_data", "payment_method_options", customerBalance, "bank_transfer", "eu_bank_transfer", "country").String()
	}
	return object{"type": "display_bank_transfer_instructions", "display_bank_transfer_instructions": object{
		"amount_remaining": remaining, "currency": pi["currency"], "financial_addresses": s.financialAddresses(kind, country),
		"hosted_instructions_url": s.base + "/bank_transfers/instructions/" + pi.str("id"), "reference": s.newID("", 12), "type": kind,
	}}
}

// financialAddresses are the bank accounts of a type of bank transfer. Those of a sandbox are invalid, and the same for all customers.
func (s *Server) financialAddresses(kind, country string) []object {
	address := Address{Line1: "1 Test Street", City: "Testville", Country: strings.ToUpper(kind[:2]), PostalCode: "00000"}
	if kind == "eu_bank_transfer" {
		address.Country = country
	}
	account := func(typ string, networks []string, details object) object {
		return object{"type": typ, "supported_networks": networks, typ: details.with(object{
			"account_holder_address": address.shown(), "account_holder_name": s.shopName, "bank_address": address.shown(),
		})}
	}
	switch kind {
	case "us_bank_transfer":
		us := object{"account_number": "11119900000001", "account_type": "checking", "bank_name": "US Test Bank"}
		return []object{
			account("aba", []string{"ach", "domestic_wire_us"}, us.with(object{"routing_number": "999999999"})),
			account("swift", []string{"swift"}, us.with(object{"swift_code": "TESTUS99XXX"})),
		}
	case "gb_bank_transfer":
		return []object{account("sort_code", []string{"bacs", "fps"}, object{"account_number": "00000001", "sort_code": "000000"})}
	case "jp_bank_transfer":
		return []object{account("zengin", []string{"zengin"}, object{
			"account_number": "0000001", "account_type": "futsu", "bank_code": "0000", "bank_name": "JP Test Bank", "branch_code": "000", "branch_name": "Test",
		})}
	case "mx_bank_transfer":
		return []object{account("spei", []string{"spei"}, object{"bank_code": "000", "bank_name": "MX Test Bank", "clabe": "000000000000000001"})}
	default:
		return []object{account("iban", []string{"sepa"}, object{"bic": "TEST" + country + "99XXX", "country": country, "iban": country + "00TEST0000000001"})}
	}
}

// instructionsOf returns what a payment intent tells a customer who pays by bank transfer, or nil.
func instructionsOf(pi object) object {
	action, _ := pi["next_action"].(object)
	told, _ := action["display_bank_transfer_instructions"].(object)
	return told
}

func referenceOf(pi object) string { return instructionsOf(pi).str("reference") }

// remainingOf returns the amount for which a payment by bank transfer waits.
func remainingOf(pi object) int64 {
	remaining, _ := instructionsOf(pi)["amount_remaining"].(int64)
	return remaining
}

// fundCashBalance plays a bank transfer that arrives: https://docs.stripe.com/api/cash_balance_transactions/fund_cash_balance
func (s *Server) fundCashBalance(c *call) (object, *apiError) {
	cus, err := s.objectInPath(c, "customer")
	if err != nil {
		return nil, err
	}
	amount, currency, err := sumOf(c.params, func(currency string) bool { return transferTypes[currency] != "" })
	if err != nil {
		return nil, err
	}
	return s.fund(cus, currency, amount, c.params.Get("reference").String(), c), nil
}

// fund adds money to a customer's cash balance, and pays with it what waits for it.
func (s *Server) fund(cus object, currency string, amount int64, reference string, c *call) object {
	kind := transferTypes[currency]
	sender := map[string]object{
		"eu_bank_transfer": {"bic": "TESTDE99XXX", "iban_last4": "3000", "sender_name": testBuyer.Name},
		"gb_bank_transfer": {"account_number_last4": "3000", "sender_name": testBuyer.Name, "sort_code": "000000"},
		"jp_bank_transfer": {"sender_bank": "JP Test Bank", "sender_branch": "Test", "sender_name": testBuyer.Name},
		"us_bank_transfer": {"network": "ach", "sender_name": testBuyer.Name},
	}
	transfer := object{"reference": orNull(reference), "type": kind}
	if from, shown := sender[kind]; shown { // a transfer in Mexico shows none
		transfer[kind] = from
	}
	txn := s.moveCash(cus, currency, amount, "funded", object{"bank_transfer": transfer}, c)
	s.reconcile(cus, currency, reference)
	s.tellOfCash(cus, currency, c)
	return txn
}

// moveCash adds a movement to a customer's cash balance: https://docs.stripe.com/api/cash_balance_transactions/object
func (s *Server) moveCash(cus object, currency string, net int64, typ string, details object, c *call) object {
	id := cus.str("id")
	txn := object{
		"id": s.newID("ccsbtxn_1", 23), "object": "customer_cash_balance_transaction", "created": s.Now().Unix(), "currency": currency, "customer": id,
		"ending_balance": s.cashOf(id)[currency] + net, "livemode": false, "net_amount": net, "type": typ, typ: details,
	}
	s.keep(s.ownerOf(cus), txn)
	s.emitChange("customer_cash_balance_transaction.created", txn, nil, c)
	return txn
}

// cashOf returns a customer's cash balance, by currency.
func (s *Server) cashOf(customer string) map[string]int64 {
	sums := map[string]int64{}
	for _, txn := range s.naming["customer_cash_balance_transaction/"+customer] {
		sums[txn.str("currency")] += txn["net_amount"].(int64)
	}
	return sums
}

// reconcile pays what waits for a customer's bank transfers: first the payment whose reference the transfer names, else the oldest that waits
// for this amount, and then the oldest ones. Of the rules of Stripe's it lacks groups of payments that add up to the amount, and invoices.
// https://docs.stripe.com/payments/customer-balance/reconciliation
func (s *Server) reconcile(cus object, currency, reference string) {
	id := cus.str("id")
	fitting := func(fits func(pi object) bool) object {
		for _, pi := range s.byKind["payment_intent"] {
			if pi["customer"] == id && pi["currency"] == currency && remainingOf(pi) > 0 && fits(pi) {
				return pi
			}
		}
		return nil
	}
	pi := fitting(func(pi object) bool { return reference != "" && referenceOf(pi) == reference })
	if pi == nil {
		pi = fitting(func(pi object) bool { return remainingOf(pi) == s.cashOf(id)[currency] })
	}
	for available := s.cashOf(id)[currency]; available > 0; available = s.cashOf(id)[currency] {
		if pi == nil {
			pi = fitting(func(object) bool { return true })
		}
		if pi == nil {
			return
		}
		s.applyCash(pi, min(available, remainingOf(pi)))
		pi = nil
	}
}

// applyCash pays a payment, or a part of it, from the customer's cash balance. A payment that is paid as a whole succeeds.
func (s *Server) applyCash(pi object, amount int64) {
	owner := s.ownerOf(pi)
	s.moveCash(s.objects[pi.str("customer")], pi.str("currency"), -amount, "applied_to_payment", object{"payment_intent": pi["id"]}, nil)
	if remaining := remainingOf(pi) - amount; remaining > 0 {
		was := maps.Clone(pi)
		pi["next_action"] = object{
			"type": "display_bank_transfer_instructions", "display_bank_transfer_instructions": instructionsOf(pi).with(object{"amount_remaining": remaining}),
		}
		s.emitChange("payment_intent.partially_funded", pi, was, nil)
		return
	}
	onPage := owner.method == BankTransfer
	owner.method = BankTransfer
	s.charge(owner, "succeeded")
	s.intentSucceeds(owner)
	if onPage {
		s.complete(owner, "paid")
		return
	}
	owner.method = ""
	s.invoicePaid(owner)
	owner.object["payment_status"] = "paid"
	s.emit(owner, "checkout.session.async_payment_succeeded", owner.object, nil)
}

// tellOfCash tells of money in a customer's cash balance that no payment waits for.
func (s *Server) tellOfCash(cus object, currency string, c *call) {
	if s.cashOf(cus.str("id"))[currency] > 0 {
		owner := s.ownerOf(cus)
		s.emitFor(owner.account, owner.id(), "cash_balance.funds_available", s.cashBalance(cus), nil, c)
	}
}

// unapplyCash gives back to the cash balance what was paid for a payment that is canceled.
func (s *Server) unapplyCash(pi object, c *call) {
	if instructionsOf(pi) == nil {
		return
	}
	paid := pi["amount"].(int64) - remainingOf(pi)
	pi["next_action"] = nil
	if paid == 0 {
		return
	}
	cus, currency := s.objects[pi.str("customer")], pi.str("currency")
	s.moveCash(cus, currency, paid, "unapplied_from_payment", object{"payment_intent": pi["id"]}, c)
	s.reconcile(cus, currency, "")
	s.tellOfCash(cus, currency, c)
}

// cashBalance shows a customer's cash balance: https://docs.stripe.com/api/cash_balance/object
func (s *Server) cashBalance(cus object) object {
	var available any
	if sums := s.cashOf(cus.str("id")); len(sums) > 0 {
		shown := object{}
		for currency, sum := range sums {
			shown[currency] = sum
		}
		available = shown
	}
	return object{
		"object": "cash_balance", "available": available, "customer": cus["id"], "livemode": false,
		"settings": object{"reconciliation_mode": "automatic", "using_merchant_default": true},
	}
}

func (s *Server) retrieveCashBalance(c *call) (object, *apiError) {
	cus, err := s.objectInPath(c, "customer")
	if err != nil {
		return nil, err
	}
	return s.cashBalance(cus), nil
}

// listCashTransactions lists the movements of the cash balance of the customer in the path, the newest first.
func (s *Server) listCashTransactions(c *call) (object, *apiError) {
	if _, err := s.objectInPath(c, "customer"); err != nil {
		return nil, err
	}
	list := s.listIf("customer_cash_balance_transaction", map[string]condition{"customer": func(o object, p *formparams.Param) bool { return o["customer"] == p.String() }})
	c.params.SetField("customer", c.path("id"))
	return list(c)
}

func (s *Server) retrieveCashTransaction(c *call) (object, *apiError) {
	txn := s.find(c.account, "customer_cash_balance_transaction", c.path("of"))
	if txn == nil || txn["customer"] != c.path("id") {
		return nil, noSuch(http.StatusNotFound, "customer_cash_balance_transaction", c.path("of"), "id")
	}
	return txn, nil
}

// instructionsURL returns the address of the instructions for a session that waits for a bank transfer, or "".
func (s *Server) instructionsURL(sessionID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return instructionsOf(s.objects[s.sessions[sessionID].str("payment_intent")]).str("hosted_instructions_url")
}

// A transferView is the page with the instructions of a bank transfer.
type transferView struct {
	language
	Amount, Back string
	Rows         [][2]string // names and values
}

// showTransfer shows where a customer sends the money of a payment by bank transfer.
func (s *Server) showTransfer(w http.ResponseWriter, r *http.Request) {
	v, found := s.transferView(r)
	if !found {
		s.showUnknown(w, r)
		return
	}
	render(w, http.StatusOK, "transfer", v)
}

func (s *Server) transferView(r *http.Request) (v transferView, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pi := s.objects[r.PathValue("id")]
	told := instructionsOf(pi)
	if told == nil {
		return v, false
	}
	sess := s.ownerOf(pi)
	v.language = pageLanguage(sess.str("locale"), r)
	v.Amount, v.Back = v.Money(remainingOf(pi), pi.str("currency")), webURL(sess.returnURL())
	v.Rows = [][2]string{{v.Say("Reference"), told.str("reference")}}
	address := told["financial_addresses"].([]object)[0]
	details := address[address.str("type")].(object)
	for _, row := range [][2]string{
		{"Account holder name", "account_holder_name"}, {"Bank", "bank_name"}, {"IBAN", "iban"}, {"BIC", "bic"}, {"Routing number", "routing_number"},
		{"Sort code", "sort_code"}, {"Bank code", "bank_code"}, {"Branch code", "branch_code"}, {"CLABE", "clabe"}, {"Account number", "account_number"},
	} {
		if value := details.str(row[1]); value != "" {
			v.Rows = append(v.Rows, [2]string{v.Say(row[0]), value})
		}
	}
	return v, true
}

// Title is the title of the page.
func (v transferView) Title() string { return fmt.Sprintf(v.Say("Transfer %s"), v.Amount) }
