package checkouttest

import (
	"maps"
	"net/http"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// attachPayment makes a payment intent the one that pays an invoice: https://docs.stripe.com/api/invoice-payment/object
func (s *Server) attachPayment(inv object, intent string) {
	s.keep(s.ownerOf(inv), object{
		"id": s.newID("inpay_1", 23), "object": "invoice_payment", "amount_paid": nil, "amount_requested": inv["amount_due"], "created": s.Now().Unix(),
		"currency": inv["currency"], "invoice": inv["id"], "is_default": true, "livemode": false,
		"payment": object{"payment_intent": intent, "type": "payment_intent"}, "status": "open",
		"status_transitions": object{"canceled_at": nil, "paid_at": nil},
	})
}

// paymentOf returns the payment of an invoice, or nil.
func (s *Server) paymentOf(inv object) object {
	return s.latestPayment(inv.str("id"))
}

// paymentBy returns the invoice payment that a payment intent makes, or nil.
func (s *Server) paymentBy(intent string) object {
	return s.latestPayment(intent)
}

// latestPayment returns the newest invoice payment that names an invoice or a payment intent, or nil.
func (s *Server) latestPayment(id string) object {
	named := s.naming["invoice_payment/"+id]
	if len(named) == 0 {
		return nil
	}
	return named[len(named)-1]
}

// intentOf returns the ID of the payment intent of an invoice payment.
func intentOf(payment object) string { return payment["payment"].(object).str("payment_intent") }

// settlePayment records that an invoice payment has succeeded.
func (s *Server) settlePayment(payment object) {
	was := maps.Clone(payment)
	payment["status"], payment["amount_paid"] = "paid", payment["amount_requested"]
	payment["status_transitions"] = object{"canceled_at": nil, "paid_at": s.Now().Unix()}
	s.emitChange("invoice_payment.paid", payment, was, nil)
}

// requestDue makes the payment of an open invoice ask for what is due since a credit note.
func (s *Server) requestDue(inv object) {
	payment := s.paymentOf(inv)
	if payment != nil && payment["status"] == "open" {
		payment["amount_requested"], s.objects[intentOf(payment)]["amount"] = inv["amount_due"], inv["amount_due"]
	}
}

// cancelInvoicePayment cancels the payment of an invoice that needs none any more, with its payment intent.
func (s *Server) cancelInvoicePayment(inv object, reason string) {
	payment := s.paymentOf(inv)
	if payment == nil || payment["status"] != "open" {
		return
	}
	payment["status"] = "canceled"
	payment["status_transitions"] = object{"canceled_at": s.Now().Unix(), "paid_at": nil}
	if pi := s.objects[intentOf(payment)]; pi["status"] != "canceled" {
		s.cancelPayment(s.ownerOf(pi), pi, reason, nil)
	}
}

// listInvoicePayments lists the payments of an invoice, or those that a payment intent makes:
// https://docs.stripe.com/api/invoice-payment/list
func (s *Server) listInvoicePayments() endpoint {
	all := s.listIf("invoice_payment", map[string]condition{"payment": paysWith}, "invoice", "status")
	return func(c *call) (object, *apiError) {
		if err := oneOf(c.params.Get("status"), "canceled", "open", "paid"); err != nil {
			return nil, err
		}
		if with := c.params.Get("payment"); with != nil {
			if with.Get("type") == nil {
				return nil, missing(with.NameOf("type"))
			}
			if with.Get("type").String() != "payment_intent" {
				return nil, unsupported(with.Get("type"))
			}
			if intent := with.Get("payment_intent"); intent != nil && s.find(c.account, "payment_intent", intent.String()) == nil {
				return nil, noSuch(http.StatusBadRequest, "payment_intent", intent.String(), intent.Name)
			}
		}
		return all(c)
	}
}

func paysWith(o object, p *formparams.Param) bool {
	intent := p.Get("payment_intent")
	return intent == nil || intentOf(o) == intent.String()
}
