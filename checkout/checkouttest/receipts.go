package checkouttest

import (
	"net/http"
	"strings"
	"time"
)

// giveReceipt gives a charge that has succeeded the address of its receipt. The address works as long as the server runs.
// https://docs.stripe.com/api/charges/object#charge_object-receipt_url
func (s *Server) giveReceipt(ch object) {
	ch["receipt_url"] = s.base + "/receipts/payment/" + ch.str("id")
}

// A receiptView is what the page shows of a charge.
type receiptView struct {
	language
	Shop, Description  string // Description is empty without one
	Amount, Currency   string
	Date, Method       string
	Captured, Released bool // an authorization is neither until it is captured or canceled
	Refunds            []receiptRefund
	Left               string // what stays paid after the refunds
}

// A receiptRefund is a refund on a receipt. Failed and canceled refunds are on none, as their money went back to the shop.
type receiptRefund struct {
	Date, Amount string
	Pending      bool
}

// showReceipt shows the receipt of a charge: https://docs.stripe.com/receipts
func (s *Server) showReceipt(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	v, found := s.receiptView(r)
	s.mu.Unlock()
	if !found {
		s.showUnknown(w, r)
		return
	}
	render(w, http.StatusOK, "receipt", v)
}

// receiptView reads the charge that the path names. It reports false if there is no such charge, or if the charge has no receipt.
func (s *Server) receiptView(r *http.Request) (receiptView, bool) {
	ch := s.objects[r.PathValue("id")]
	if ch.str("object") != "charge" || ch["receipt_url"] == nil {
		return receiptView{}, false
	}
	l, currency := pageLanguage(s.ownerOf(ch).str("locale"), r), ch.str("currency")
	day := func(of object) string { return l.date(time.Unix(of["created"].(int64), 0)) }
	amount, captured := ch["amount"].(int64), ch["captured"] == true
	if captured {
		amount = ch["amount_captured"].(int64)
	}
	v := receiptView{
		language: l, Shop: s.shopName, Description: ch.str("description"), Amount: l.Money(amount, currency), Date: day(ch),
		Currency: strings.ToUpper(currency), Method: l.methodName(ch["payment_method_details"].(object)), Captured: captured,
		Released: s.objects[ch.str("payment_intent")]["status"] == "canceled",
		Left:     l.Money(amount-ch["amount_refunded"].(int64), currency),
	}
	for _, re := range s.naming["refund/"+ch.str("id")] {
		if re["status"] == "succeeded" || re["status"] == "pending" {
			v.Refunds = append(v.Refunds, receiptRefund{day(re), "-" + l.Money(re["amount"].(int64), currency), re["status"] == "pending"})
		}
	}
	return v, true
}

// methodName names the method of a charge with its last four digits.
func (l language) methodName(details object) string {
	kind := details.str("type")
	name := l.Say("Bank debit")
	if kind == "card" {
		name = brandNames[details["card"].(object).str("brand")]
	}
	if name == "" {
		name = l.Say("Card")
	}
	return name + " •••• " + details[kind].(object).str("last4")
}

// brandNames are the names of the cards' brands, by those of the API.
var brandNames = map[string]string{
	"amex": "American Express", "diners": "Diners Club", "discover": "Discover", "eftpos_au": "eftpos Australia", "jcb": "JCB",
	"mastercard": "Mastercard", "unionpay": "UnionPay", "visa": "Visa",
}
