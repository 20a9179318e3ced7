package checkout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// credit makes a credit note of an invoice, and gives back what the invoice no longer asks for by a refund.
func (s *testShop) credit(invoice string, amount, refund int64) {
	s.t.Helper()
	params := &stripe.CreditNoteCreateParams{Invoice: &invoice, Amount: &amount}
	if refund > 0 {
		params.RefundAmount = &refund
	}
	_, err := s.srv.Client().V1CreditNotes.Create(s.t.Context(), params)
	require.NoError(s.t, err)
	s.srv.Flush()
}

// A renewal that is credited before it is paid costs less, or nothing. It is told and gives access like any other, also when the period
// before it was given back. Whether webhooks come or a sweep has to ask makes no difference.
func TestRenewalIsCredited(t *testing.T) {
	t.Parallel()
	for _, refunded := range []bool{false, true} {
		for _, credited := range []int64{400, 900} {
			for heard, fate := range fates {
				s := newShop(t)
				sub := s.subscribe("club")
				if refunded {
					s.credit(s.order("club").Invoices[0].ID, 900, 900)
					require.False(t, s.order("club").Access(s.srv.Now(), 0).Granted)
				}
				require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardDeclined))
				s.srv.Advance(32 * 24 * time.Hour)
				require.Equal(t, []checkout.ChangeKind{checkout.ChangePaymentFailed}, s.subscriptionKinds()[len(s.subscriptionKinds())-1:])
				fate(s)
				s.credit(s.order("club").Invoices[1].ID, credited, 0)
				require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardOK))
				s.elapse(4 * day)

				o := s.order("club")
				require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed}, s.subscriptionKinds()[len(s.subscriptionKinds())-1:], heard)
				require.Len(t, o.Invoices, 2)
				require.Equal(t, store.InvoicePaid, o.Invoices[1].State)
				require.Equal(t, 900-credited, o.Invoices[1].Paid)
				require.Equal(t, 900-credited, o.Invoices[1].Due)
				require.Equal(t, 900-credited, o.InvoiceRefundable(o.Invoices[1].ID))
				require.Empty(t, o.PaidAttempt().Review)
				require.Equal(t, store.Access{Granted: true, Reason: store.AccessActive, Until: testStart.AddDate(0, 2, 0)}, o.Access(s.srv.Now(), 0), heard)
			}
		}
	}
}

// The refund of a credit note is kept and told like any other refund, of the first invoice and of a renewal.
func TestRefundByCreditNote(t *testing.T) {
	t.Parallel()
	for heard, fate := range fates {
		s := newShop(t)
		s.subscribe("club")
		s.srv.Advance(32 * 24 * time.Hour)
		fate(s)
		renewal := s.order("club").Invoices[1].ID
		for n, sum := range []int64{300, 600} {
			s.credit(renewal, sum, sum)
			s.elapse(2 * day)
			o := s.order("club")
			require.EqualValues(t, []int64{300, 900}[n], o.InvoiceRefunded(renewal), heard)
			require.Equal(t, n == 0, o.Access(s.srv.Now(), 0).Granted, heard)
			last := s.changes[len(s.changes)-1]
			require.Equal(t, checkout.ChangeRefunded, last.Kind, heard)
			require.Equal(t, renewal, last.Invoice)
		}
		require.Zero(t, s.order("club").Refunded())
		s.requireStatus("club", checkout.Fulfilled)

		s.credit(s.order("club").Invoices[0].ID, 900, 900)
		s.elapse(2 * day)
		require.EqualValues(t, 900, s.order("club").Refunded(), heard)
		s.requireStatus("club", "refunded")
	}
}

// A customer whose credit pays a part of the first period can get back what was charged, and no more. Then all is given back.
func TestFirstPaymentIsPartlyCredit(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"the merchant", "the Dashboard", "Config.Refund"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			if by == "Config.Refund" {
				s.runAs(func(c *checkout.Config[tx]) { c.Refund = []checkout.ChangeKind{checkout.ChangeMismatch} })
			}
			s.subscribe("before")
			s.creditCustomer(s.order("before").Invoices[0].ID, 400)
			session := clubOf("club")
			session.Customer = s.order("before").Customer.ID
			id := s.begin(session).SessionID
			if by == "Config.Refund" {
				s.changeOrder("club", func(o *store.Order) { o.Attempts[0].Quote.Subtotal++ })
			}
			s.pay(id)
			o := s.order("club")
			require.EqualValues(t, 900, o.Amounts.Total)
			require.EqualValues(t, 500, o.Invoices[0].Paid)
			require.EqualValues(t, 500, o.Refundable())
			require.NotContains(t, s.kinds(), checkout.ChangePartlyCaptured)
			switch by {
			case "the merchant":
				require.NoError(t, s.flow.Refund(t.Context(), "club", checkout.Refund{}))
			case "the Dashboard":
				s.refundPayment(o.Attempts[0].PaymentIntent)
			}
			s.sweep()
			s.requireStatus("club", "refunded")
			require.Len(t, s.order("club").Refunds, 1)
			require.Zero(t, s.order("club").Refundable())
			for _, step := range s.flow.Next(s.order("club")) {
				require.NotEqual(t, checkout.RefundPayment, step.Action)
			}
		})
	}
}

// creditCustomer gives a customer credit for a part of a paid invoice.
func (s *testShop) creditCustomer(invoice string, amount int64) {
	s.t.Helper()
	_, err := s.srv.Client().V1CreditNotes.Create(s.t.Context(), &stripe.CreditNoteCreateParams{
		Invoice: &invoice, Amount: &amount, CreditAmount: &amount,
	})
	require.NoError(s.t, err)
	s.srv.Flush()
}
