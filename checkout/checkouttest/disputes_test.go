package checkouttest_test

import (
	"context"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// An inquiry takes no money. A full refund closes the inquiry, and a lost inquiry becomes a dispute.
func TestInquiries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end    func(srv *checkouttest.Server, dispute, charge string) error
		status string
		has    int64
	}{
		"won":      {func(srv *checkouttest.Server, d, _ string) error { return srv.WinDispute(d) }, "warning_closed", 2000},
		"lost":     {func(srv *checkouttest.Server, d, _ string) error { return srv.LoseDispute(d) }, "lost", -1500},
		"given up": {func(srv *checkouttest.Server, d, _ string) error { return closeDispute(srv, d) }, "warning_closed", 2000},
		"refunded": {func(srv *checkouttest.Server, _, ch string) error {
			_, err := srv.Client().V1Refunds.Create(context.Background(), &stripe.RefundCreateParams{Charge: &ch})
			return err
		}, "warning_closed", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			_, pi := request(t, srv, "POST", "/v1/payment_intents", form("amount", "2000", "currency", "usd", "confirm", "true", "payment_method", "pm_card_createDisputeInquiry"))
			charge := pi["latest_charge"].(string)
			_, ch := request(t, srv, "GET", "/v1/charges/"+charge, nil)
			id := ch["dispute"].(string)
			d, err := srv.Client().V1Disputes.Retrieve(context.Background(), id, nil)
			require.NoError(t, err)
			require.EqualValues(t, "warning_needs_response", d.Status)
			require.EqualValues(t, "inquiry", d.PaymentMethodDetails.Card.CaseType)
			require.True(t, d.IsChargeRefundable)
			srv.Advance(time.Minute) // the capture is asynchronous
			require.EqualValues(t, 2000, balance(t, srv, ""), "no money has moved")
			require.NoError(t, c.end(srv, id, charge))
			d, err = srv.Client().V1Disputes.Retrieve(context.Background(), id, nil)
			require.NoError(t, err)
			require.EqualValues(t, c.status, d.Status)
			require.Equal(t, c.has, balance(t, srv, ""))
			require.ErrorIs(t, srv.WinDispute(id), checkouttest.ErrNotPending)
		})
	}
}

func closeDispute(srv *checkouttest.Server, id string) error {
	_, err := srv.Client().V1Disputes.Close(context.Background(), id, nil)
	return err
}

func TestLifeOfADispute(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	evidence := func(text string, submit bool) func(srv *checkouttest.Server, id string) error {
		return func(srv *checkouttest.Server, id string) error {
			_, err := srv.Client().V1Disputes.Update(ctx, id, &stripe.DisputeUpdateParams{
				Evidence: &stripe.DisputeUpdateEvidenceParams{UncategorizedText: &text}, Submit: &submit,
			})
			srv.Flush()
			return err
		}
	}
	win := func(srv *checkouttest.Server, id string) error { return srv.WinDispute(id) }
	lose := func(srv *checkouttest.Server, id string) error { return srv.LoseDispute(id) }
	accept := func(srv *checkouttest.Server, id string) error {
		_, err := srv.Client().V1Disputes.Close(ctx, id, nil)
		srv.Flush()
		return err
	}
	type step struct {
		do     func(srv *checkouttest.Server, id string) error
		err    error // the Go API's
		closed bool  // the API says that the dispute is closed
		status string
		booked int // balance transactions
		events []string
	}
	const updated, reinstated, closed = "charge.dispute.updated", "charge.dispute.funds_reinstated", "charge.dispute.closed"
	for name, steps := range map[string][]step{
		"won": {
			{do: win, status: "won", booked: 2, events: []string{reinstated, closed}},
			{do: win, err: checkouttest.ErrNotPending, status: "won", booked: 2},
			{do: lose, err: checkouttest.ErrNotPending, status: "won", booked: 2},
			{do: accept, closed: true, status: "won", booked: 2},
		},
		"lost":     {{do: lose, status: "lost", booked: 1, events: []string{closed}}, {do: evidence("late", true), closed: true, status: "lost", booked: 1}},
		"accepted": {{do: accept, status: "lost", booked: 1, events: []string{closed}}, {do: win, err: checkouttest.ErrNotPending, status: "lost", booked: 1}},
		"staged, sent, won": {
			{do: evidence("draft", false), status: "needs_response", booked: 1, events: []string{updated}},
			{do: evidence("final", true), status: "under_review", booked: 1, events: []string{updated}},
			{do: win, status: "won", booked: 2, events: []string{reinstated, closed}},
		},
		"winning evidence": {{do: evidence("winning_evidence", true), status: "won", booked: 2, events: []string{updated, reinstated, closed}}},
		"losing evidence":  {{do: evidence("losing_evidence", true), status: "lost", booked: 1, events: []string{updated, closed}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, in, sess := paid(t, checkouttest.CardOK)
			id, err := srv.Dispute(sess.ID)
			require.NoError(t, err)
			require.Equal(t, []string{"charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.updated"}, in.types(t))
			for i, st := range steps {
				err := st.do(srv, id)
				if st.closed {
					var e *stripe.Error
					require.ErrorAs(t, err, &e, "step %d", i)
					require.Contains(t, e.Msg, "already closed")
				} else {
					require.ErrorIs(t, err, st.err, "step %d", i)
				}
				d, err := srv.Client().V1Disputes.Retrieve(ctx, id, nil)
				require.NoError(t, err)
				require.EqualValues(t, st.status, d.Status, "step %d", i)
				require.Len(t, d.BalanceTransactions, st.booked, "step %d", i)
				var net int64
				for _, txn := range d.BalanceTransactions {
					net += txn.Net
				}
				require.Equal(t, map[int]int64{1: -1999 - 1500, 2: 0}[st.booked], net, "step %d", i)
				require.Equal(t, append([]string{}, st.events...), in.types(t), "step %d", i)
			}
			// a payment can be refunded if its dispute was won, and only then
			_, err = srv.Refund(sess.ID, 0)
			if steps[len(steps)-1].status == "won" {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, checkouttest.ErrDisputed)
			}
			_, err = srv.Dispute(sess.ID)
			require.ErrorIs(t, err, checkouttest.ErrDisputed)
		})
	}
}

func TestDisputes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv, _, sess := paid(t, checkouttest.CardOK)
	api := srv.Client()
	_, err := srv.Dispute("cs_1")
	require.ErrorIs(t, err, checkouttest.ErrNoSession)
	_, err = srv.Dispute(create(t, srv, tee()).ID)
	require.ErrorIs(t, err, checkouttest.ErrNotPaid)
	require.ErrorIs(t, srv.WinDispute("du_1"), checkouttest.ErrNoDispute)
	require.ErrorIs(t, srv.LoseDispute("du_1"), checkouttest.ErrNoDispute)

	_, err = srv.Refund(sess.ID, 999)
	require.NoError(t, err)
	id, err := srv.Dispute(sess.ID)
	require.NoError(t, err)
	params := &stripe.DisputeRetrieveParams{}
	params.AddExpand("charge.payment_intent.latest_charge")
	d, err := api.V1Disputes.Retrieve(ctx, id, params)
	require.NoError(t, err)
	require.EqualValues(t, 1000, d.Amount, "what is not refunded")
	require.EqualValues(t, 1999, d.Charge.PaymentIntent.LatestCharge.Amount)
	require.True(t, d.Charge.Disputed)
	require.EqualValues(t, srv.Now().Unix()+7*24*3600, d.EvidenceDetails.DueBy)
	resp, body := request(t, srv, "POST", "/v1/refunds", form("charge", d.Charge.ID))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Equal(t, "charge_disputed", body["error"].(map[string]any)["code"])

	for _, p := range []*stripe.DisputeListParams{{}, {PaymentIntent: &sess.PaymentIntent.ID}, {Charge: &d.Charge.ID}} {
		n := 0
		for listed, err := range api.V1Disputes.List(ctx, p) {
			require.NoError(t, err)
			require.Equal(t, id, listed.ID)
			n++
		}
		require.Equal(t, 1, n)
	}
	changed, err := api.V1Disputes.Update(ctx, id, &stripe.DisputeUpdateParams{Metadata: map[string]string{"case": "7"}})
	require.NoError(t, err)
	require.Equal(t, "7", changed.Metadata["case"])
	require.EqualValues(t, "needs_response", changed.Status, "metadata is no evidence")

	_, raw := request(t, srv, "GET", "/v1/disputes/"+id, nil)
	for _, key := range jsonKeys(reflect.TypeFor[stripe.Dispute](), "network_reason_code") {
		require.Contains(t, raw, key)
	}
	for _, key := range jsonKeys(reflect.TypeFor[stripe.DisputeEvidence]()) {
		require.Contains(t, raw["evidence"], key)
	}
	resp, body = request(t, srv, "POST", "/v1/disputes/"+id, form("evidence[enhanced_evidence][visa_compliance][fee_acknowledged]", "true"))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Contains(t, body["error"].(map[string]any)["message"], "does not implement")
	resp, _ = request(t, srv, "POST", "/v1/disputes/du_1", form("evidence[receipt]", "file_1"))
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}
