package checkouttest_test

import (
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// The model is what the documentation says of sessions, payments, refunds and disputes, in as few words as will do. Random
// operations are given to it and to the server, which must agree on every error and, after each step, on every state.

type modelSession struct {
	id       string
	expires  time.Time
	status   string
	payment  string
	intent   string // "" before the first try
	charge   string
	method   checkouttest.PaymentMethod
	refunds  []*modelRefund
	dispute  *modelDispute
	refunded int64
}

type modelRefund struct {
	id     string
	amount int64
	status string
	due    time.Time // when it ends by itself
	ends   string    // how
}

type modelDispute struct {
	id, status string
	amount     int64
}

const price = 1999

// tick lets time pass in the model.
func (m *modelSession) tick(now time.Time) {
	if m.status == "open" && !m.expires.After(now) {
		m.expire()
	}
	for _, re := range m.refunds {
		if re.ends != "" && !re.due.After(now) {
			m.endRefund(re, re.ends)
		}
	}
}

func (m *modelSession) expire() {
	m.status = "expired"
	if m.intent != "" {
		m.intent = "canceled"
	}
}

func (m *modelSession) endRefund(re *modelRefund, status string) {
	re.status, re.ends = status, ""
	if status != "succeeded" {
		m.refunded -= re.amount
	}
}

func (m *modelSession) pay(method checkouttest.PaymentMethod) error {
	switch m.status {
	case "expired":
		return checkouttest.ErrExpired
	case "complete":
		return checkouttest.ErrComplete
	}
	switch method {
	case checkouttest.CardDeclined:
		m.intent, m.charge = "requires_payment_method", "failed"
		return &checkouttest.PaymentError{Code: "card_declined"}
	case checkouttest.BankDebit:
		m.status, m.intent, m.charge = "complete", "processing", "pending"
	default:
		m.status, m.payment, m.intent, m.charge = "complete", "paid", "succeeded", "succeeded"
	}
	m.method = method
	return nil
}

func (m *modelSession) debitEnds(settled bool) error {
	switch {
	case m.intent != "processing":
		return checkouttest.ErrNotPending
	case settled:
		m.payment, m.intent, m.charge = "paid", "succeeded", "succeeded"
	default:
		m.intent, m.charge = "requires_payment_method", "failed"
	}
	return nil
}

// left is how much can be refunded or disputed.
func (m *modelSession) left() (int64, error) {
	switch {
	case m.payment != "paid":
		return 0, checkouttest.ErrNotPaid
	case m.dispute != nil && m.dispute.status != "won":
		return 0, checkouttest.ErrDisputed
	case m.refunded == price:
		return 0, checkouttest.ErrOverRefund
	}
	return price - m.refunded, nil
}

func (m *modelSession) refund(amount int64, now time.Time) (*modelRefund, error) {
	left, err := m.left()
	if err != nil {
		return nil, err
	}
	if amount > left {
		return nil, checkouttest.ErrOverRefund
	}
	if amount == 0 {
		amount = left
	}
	re := &modelRefund{amount: amount, status: "succeeded", due: now.Add(24 * time.Hour)}
	switch m.method {
	case checkouttest.BankDebit, checkouttest.CardRefundPending:
		re.status, re.ends = "pending", "succeeded"
	case checkouttest.CardRefundFails:
		re.ends = "failed"
	}
	m.refunded += amount
	m.refunds = append(m.refunds, re)
	return re, nil
}

// balance is what the session has brought the shop.
func (m *modelSession) balance() int64 {
	switch {
	case m.payment != "paid":
		return 0
	case m.dispute != nil && m.dispute.status != "won":
		return price - m.refunded - m.dispute.amount - 1500
	default:
		return price - m.refunded
	}
}
