package checkout

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// stripeAPI makes all requests to Stripe. Each method names the connected account that the request is made on; the empty
// name is the merchant's own account. Errors are [*stripeError].
type stripeAPI struct {
	client *stripe.Client
	clock  *clockOffset
	now    func() time.Time
}

// failed wraps an error of a request and learns Stripe's time from it.
func (s stripeAPI) failed(doing string, err error) error {
	var se *stripe.Error
	if errors.As(err, &se) {
		s.clock.learn(se.LastResponse)
	}
	return &stripeError{doing: doing, err: err}
}

// listed returns what facts says of each object of a list.
func listed[T, F any](s stripeAPI, doing string, list stripe.Seq2[T, error], facts func(T) F) ([]F, error) {
	var all []F
	for object, err := range list {
		if err != nil {
			return nil, s.failed(doing, err)
		}
		all = append(all, facts(object))
	}
	return all, nil
}

// answer reads a session as Stripe answered it, and learns Stripe's time.
func (s stripeAPI) answer(doing, account string, asked time.Time, response *stripe.APIResponse) (sessionUpdate, error) {
	s.clock.learn(response)
	return observeAnswer(doing, account, asked, response)
}

// onAccount has a request made on a connected account.
func onAccount(p interface{ SetStripeAccount(string) }, account string) {
	if account != "" {
		p.SetStripeAccount(account)
	}
}

// expansions are the objects that an answer about a session includes, beside the session: they say what became of the
// payment.
func expansions(mode string) []*string {
	if mode == string(ModeSubscription) {
		return stripe.StringSlice([]string{"subscription"})
	}
	return stripe.StringSlice([]string{"payment_intent.latest_charge"})
}

// createSession creates a session with the stored parameters of an attempt. A 429 is waited out, as a customer waits for the session.
func (s stripeAPI) createSession(ctx context.Context, account, body, idempotencyKey string) (sessionUpdate, error) {
	params, err := wireParams(body)
	if err != nil {
		return sessionUpdate{}, err
	}
	params.SetIdempotencyKey(idempotencyKey)
	onAccount(params, account)
	asked := s.now()
	session, err := waitOut(ctx, func() (*stripe.CheckoutSession, error) { return s.client.V1CheckoutSessions.Create(ctx, params) })
	if err != nil {
		return sessionUpdate{}, s.failed("creating a session", err)
	}
	update, err := s.answer("begin", account, asked, session.LastResponse)
	if err != nil {
		return sessionUpdate{}, err
	}
	if update.facts.ID == "" || update.facts.URL == "" && update.facts.ClientSecret == "" {
		return sessionUpdate{}, errors.New("checkout: stripe answered a session without an ID or a URL")
	}
	return update, nil
}

// maxIdempotencyKey is the length of the longest key that Stripe takes (https://docs.stripe.com/api/idempotent_requests).
const maxIdempotencyKey = 255

// idempotencyKey makes a key of its parts. One that is too long for Stripe, as of an order with a long ID, is hashed.
func idempotencyKey(format string, parts ...any) string {
	key := fmt.Sprintf(format, parts...)
	if len(key) > maxIdempotencyKey {
		return fmt.Sprintf("%x", sha256.Sum256([]byte(key)))
	}
	return key
}

const (
	// firstLimitPause and lastLimitPause are the shortest and the longest pause after a 429 that says nothing of when to come again.
	// The pause doubles from one to the next.
	firstLimitPause = 500 * time.Millisecond
	lastLimitPause  = 8 * time.Second
)

// waitOut makes a request again as long as Stripe refuses it for its rate (https://docs.stripe.com/rate-limits), after the pause that
// the answer asks for, or growing ones. Stripe remembers no idempotency key of such an answer. An answer that asks for a longer pause
// than ctx has left is returned at once.
func waitOut[T any](ctx context.Context, request func() (T, error)) (T, error) {
	for backoff := firstLimitPause; ; backoff = min(2*backoff, lastLimitPause) {
		answer, err := request()
		pause, limited := rateLimited(err)
		if !limited {
			return answer, err
		}
		pause = max(pause, backoff)
		pause += rand.N(pause / 4) // customers who were refused together do not come back together
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
			return answer, err
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return answer, err
		}
	}
}

// rateLimited reports whether Stripe refused a request for its rate, and the pause that Stripe asked for by Retry-After
// (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after); 0: Stripe asked for none.
func rateLimited(err error) (pause time.Duration, limited bool) {
	var se *stripe.Error
	if !errors.As(err, &se) || se.HTTPStatusCode != 429 {
		return 0, false
	}
	if se.LastResponse == nil {
		return 0, true
	}
	seconds, err := strconv.ParseUint(se.LastResponse.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0, true
	}
	return time.Duration(seconds) * time.Second, true
}

// expireSession ends an open session. Stripe answers 400 if the session is not open.
func (s stripeAPI) expireSession(ctx context.Context, o *store.Order, sessionID, doing string) (sessionUpdate, error) {
	params := &stripe.CheckoutSessionExpireParams{Expand: expansions(o.Mode)}
	onAccount(params, o.Account)
	asked := s.now()
	session, err := s.client.V1CheckoutSessions.Expire(ctx, sessionID, params)
	if err != nil {
		return sessionUpdate{}, s.failed("expiring a session", err)
	}
	return s.answer(doing, o.Account, asked, session.LastResponse)
}

// session fetches a session with what became of its payment.
func (s stripeAPI) session(ctx context.Context, account, mode, sessionID, doing string) (sessionUpdate, error) {
	params := &stripe.CheckoutSessionRetrieveParams{Expand: expansions(mode)}
	onAccount(params, account)
	asked := s.now()
	session, err := s.client.V1CheckoutSessions.Retrieve(ctx, sessionID, params)
	if err != nil {
		return sessionUpdate{}, s.failed("fetching a session", err)
	}
	update, err := s.answer(doing, account, asked, session.LastResponse)
	if err == nil && update.leavesPayment() {
		update.facts.PaymentIntent.Status, err = s.paymentStatus(ctx, account, string(update.facts.Invoice))
		update.derive()
	}
	return update, err
}

// paymentStatus is the status of the payment intent that is to pay an invoice. Without one, nothing is on its way: canceled.
func (s stripeAPI) paymentStatus(ctx context.Context, account, invoice string) (string, error) {
	params := &stripe.InvoicePaymentListParams{
		Invoice: stripe.String(invoice), Expand: stripe.StringSlice([]string{"data.payment.payment_intent"}),
	}
	params.Limit = stripe.Int64(1)
	onAccount(params, account)
	for p, err := range s.client.V1InvoicePayments.List(ctx, params) {
		if err != nil {
			return "", s.failed("listing the payments of an invoice", err)
		}
		if p.Payment != nil && p.Payment.PaymentIntent != nil {
			return string(p.Payment.PaymentIntent.Status), nil
		}
		break
	}
	return string(stripe.PaymentIntentStatusCanceled), nil
}

// sessionsSince lists sessions that were created since then, the newest first, of at most so many pages. What it returns is
// enough to tell whose sessions they are.
func (s stripeAPI) sessionsSince(ctx context.Context, account string, since time.Time, pages int) ([]sessionFacts, error) {
	params := &stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
	params.Limit = stripe.Int64(pageSize)
	onAccount(params, account)
	var all []sessionFacts
	for session, err := range s.client.V1CheckoutSessions.List(ctx, params) {
		if err != nil {
			return nil, s.failed("listing sessions", err)
		}
		all = append(all, sessionFacts{ID: session.ID, Status: string(session.Status), Metadata: session.Metadata})
		if len(all) == pages*pageSize {
			break
		}
	}
	return all, nil
}

// sessionOfPayment returns the ID of the session that led to a payment intent; empty: none did.
func (s stripeAPI) sessionOfPayment(ctx context.Context, account, intent string) (string, error) {
	params := &stripe.CheckoutSessionListParams{PaymentIntent: stripe.String(intent)}
	return s.firstSession(ctx, account, params, "listing the sessions of a payment")
}

// sessionOfSubscription returns the ID of the session that began a subscription; empty: none did.
func (s stripeAPI) sessionOfSubscription(ctx context.Context, account, subscription string) (string, error) {
	params := &stripe.CheckoutSessionListParams{Subscription: stripe.String(subscription)}
	return s.firstSession(ctx, account, params, "listing the sessions of a subscription")
}

// firstSession returns the ID of the first session of a list; empty: there is none.
func (s stripeAPI) firstSession(ctx context.Context, account string, params *stripe.CheckoutSessionListParams, doing string) (string, error) {
	params.Limit = stripe.Int64(1)
	onAccount(params, account)
	var found string
	for session, err := range s.client.V1CheckoutSessions.List(ctx, params) {
		if err != nil {
			return "", s.failed(doing, err)
		}
		found = session.ID
		break
	}
	return found, nil
}

// charge fetches a charge.
func (s stripeAPI) charge(ctx context.Context, account, id string) (chargeFacts, error) {
	params := &stripe.ChargeRetrieveParams{}
	onAccount(params, account)
	charge, err := s.client.V1Charges.Retrieve(ctx, id, params)
	if err != nil {
		return chargeFacts{}, s.failed("fetching a charge", err)
	}
	facts := chargeFacts{ID: charge.ID}
	if charge.PaymentIntent != nil {
		facts.PaymentIntent = objectID(charge.PaymentIntent.ID)
	}
	return facts, nil
}

// intentOfCharge returns the payment intent that a charge belongs to; empty: none, or Stripe does not know the charge.
func (s stripeAPI) intentOfCharge(ctx context.Context, account, chargeID string) (string, error) {
	charge, err := s.charge(ctx, account, chargeID)
	if missing(err) {
		return "", nil
	}
	return string(charge.PaymentIntent), err
}

// lineItems lists what was bought in a session.
func (s stripeAPI) lineItems(ctx context.Context, account, sessionID string) ([]store.Line, error) {
	params := &stripe.CheckoutSessionListLineItemsParams{Session: stripe.String(sessionID)}
	params.Limit = stripe.Int64(pageSize)
	onAccount(params, account)
	return listed(s, "listing line items", s.client.V1CheckoutSessions.ListLineItems(ctx, params), func(item *stripe.LineItem) store.Line {
		line := store.Line{Name: item.Description, Quantity: item.Quantity}
		if item.Price != nil {
			line.UnitAmount = item.Price.UnitAmount
		}
		return line
	})
}

// refund fetches a refund.
func (s stripeAPI) refund(ctx context.Context, account, id string) (refundFacts, error) {
	params := &stripe.RefundRetrieveParams{}
	onAccount(params, account)
	refund, err := s.client.V1Refunds.Retrieve(ctx, id, params)
	if err != nil {
		return refundFacts{}, s.failed("fetching a refund", err)
	}
	return factsOfRefund(refund), nil
}

// refundsOf lists the refunds of a payment.
func (s stripeAPI) refundsOf(ctx context.Context, account string, p payment) ([]refundFacts, error) {
	params := &stripe.RefundListParams{}
	if p.intent != "" {
		params.PaymentIntent = stripe.String(p.intent)
	} else {
		params.Charge = stripe.String(p.charge)
	}
	params.Limit = stripe.Int64(pageSize)
	onAccount(params, account)
	return listed(s, "listing refunds", s.client.V1Refunds.List(ctx, params), factsOfRefund)
}

// createRefund gives a payment back.
func (s stripeAPI) createRefund(ctx context.Context, account string, params *stripe.RefundCreateParams) (refundFacts, error) {
	onAccount(params, account)
	refund, err := s.client.V1Refunds.Create(ctx, params)
	if err != nil {
		return refundFacts{}, s.failed("refunding a payment", err)
	}
	s.clock.learn(refund.LastResponse)
	return factsOfRefund(refund), nil
}

// dispute fetches a dispute.
func (s stripeAPI) dispute(ctx context.Context, account, id string) (disputeFacts, error) {
	params := &stripe.DisputeRetrieveParams{}
	onAccount(params, account)
	dispute, err := s.client.V1Disputes.Retrieve(ctx, id, params)
	if err != nil {
		return disputeFacts{}, s.failed("fetching a dispute", err)
	}
	return factsOfDispute(dispute), nil
}

// disputesOf lists the disputes of a payment.
func (s stripeAPI) disputesOf(ctx context.Context, account string, p payment) ([]disputeFacts, error) {
	params := &stripe.DisputeListParams{}
	if p.intent != "" {
		params.PaymentIntent = stripe.String(p.intent)
	} else {
		params.Charge = stripe.String(p.charge)
	}
	params.Limit = stripe.Int64(pageSize)
	onAccount(params, account)
	return listed(s, "listing disputes", s.client.V1Disputes.List(ctx, params), factsOfDispute)
}

// reviewOf fetches the review of a payment; nil: there is none.
func (s stripeAPI) reviewOf(ctx context.Context, account, intent string) (*stripe.Review, error) {
	params := &stripe.PaymentIntentRetrieveParams{Expand: stripe.StringSlice([]string{"review"})}
	onAccount(params, account)
	answer, err := s.client.V1PaymentIntents.Retrieve(ctx, intent, params)
	if err != nil {
		return nil, s.failed("fetching the review of a payment", err)
	}
	if answer.Review == nil || answer.Review.ID == "" {
		return nil, nil
	}
	return answer.Review, nil
}

// subscription fetches a subscription with all its items, of which there are at most 20
// (https://docs.stripe.com/api/subscriptions/create#create_subscription-items).
func (s stripeAPI) subscription(ctx context.Context, account, id string) (subscriptionFacts, error) {
	params := &stripe.SubscriptionRetrieveParams{}
	onAccount(params, account)
	answer, err := s.client.V1Subscriptions.Retrieve(ctx, id, params)
	if err != nil {
		return subscriptionFacts{}, s.failed("fetching a subscription", err)
	}
	s.clock.learn(answer.LastResponse)
	if answer.Items != nil && answer.Items.HasMore {
		if answer.Items.Data, err = s.itemsOf(ctx, account, id); err != nil {
			return subscriptionFacts{}, err
		}
	}
	return factsOfSubscription(answer), nil
}

// itemsOf lists the items of a subscription.
func (s stripeAPI) itemsOf(ctx context.Context, account, subscription string) ([]*stripe.SubscriptionItem, error) {
	params := &stripe.SubscriptionItemListParams{Subscription: stripe.String(subscription)}
	params.Limit = stripe.Int64(pageSize)
	onAccount(params, account)
	items := s.client.V1SubscriptionItems.List(ctx, params)
	return listed(s, "listing the items of a subscription", items, func(item *stripe.SubscriptionItem) *stripe.SubscriptionItem { return item })
}

// cancelSubscription ends a subscription at once. Stripe does not know a subscription by that request that has ended.
func (s stripeAPI) cancelSubscription(ctx context.Context, account, id string) error {
	params := &stripe.SubscriptionCancelParams{}
	onAccount(params, account)
	if _, err := s.client.V1Subscriptions.Cancel(ctx, id, params); err != nil {
		return s.failed("canceling a subscription", err)
	}
	return nil
}

// invoice fetches an invoice with its payments.
func (s stripeAPI) invoice(ctx context.Context, account, id string) (invoiceFacts, error) {
	params := &stripe.InvoiceRetrieveParams{Expand: stripe.StringSlice([]string{"payments"})}
	onAccount(params, account)
	answer, err := s.client.V1Invoices.Retrieve(ctx, id, params)
	if err != nil {
		return invoiceFacts{}, s.failed("fetching an invoice", err)
	}
	return factsOfInvoice(answer), nil
}

// invoicesOf lists the latest invoices of a subscription with their payments, the newest first.
func (s stripeAPI) invoicesOf(ctx context.Context, account, subscription string) ([]invoiceFacts, error) {
	params := &stripe.InvoiceListParams{Subscription: stripe.String(subscription), Expand: stripe.StringSlice([]string{"data.payments"})}
	ctx, cancel := onePage(ctx, &params.ListParams, account, "")
	defer cancel()
	return listed(s, "listing the invoices of a subscription", s.client.V1Invoices.List(ctx, params), factsOfInvoice)
}

// linesOf lists the lines of an invoice.
func (s stripeAPI) linesOf(ctx context.Context, account, invoice string) ([]lineFacts, error) {
	params := &stripe.InvoiceListLinesParams{Invoice: stripe.String(invoice)}
	params.Limit = stripe.Int64(pageSize)
	onAccount(params, account)
	return listed(s, "listing the lines of an invoice", s.client.V1Invoices.ListLines(ctx, params), factsOfLine)
}

// invoiceOfPayment returns the ID of the invoice that was paid with a payment intent; empty: none was.
func (s stripeAPI) invoiceOfPayment(ctx context.Context, account, intent string) (string, error) {
	params := &stripe.InvoicePaymentListParams{Payment: &stripe.InvoicePaymentListPaymentParams{
		Type: stripe.String("payment_intent"), PaymentIntent: stripe.String(intent),
	}}
	params.Limit = stripe.Int64(1)
	onAccount(params, account)
	for p, err := range s.client.V1InvoicePayments.List(ctx, params) {
		if err != nil {
			return "", s.failed("listing the invoices of a payment", err)
		}
		if p.Invoice != nil {
			return p.Invoice.ID, nil
		}
		break
	}
	return "", nil
}

// portal begins a session of the customer portal and returns its URL.
func (s stripeAPI) portal(ctx context.Context, account, customer, returnURL string) (string, error) {
	params := &stripe.BillingPortalSessionCreateParams{Customer: stripe.String(customer), ReturnURL: optionalString(returnURL)}
	onAccount(params, account)
	session, err := s.client.V1BillingPortalSessions.Create(ctx, params)
	if err != nil {
		return "", s.failed("opening the customer portal", err)
	}
	return session.URL, nil
}

// review fetches a review.
func (s stripeAPI) review(ctx context.Context, account, id string) (paymentFacts, error) {
	params := &stripe.ReviewRetrieveParams{}
	onAccount(params, account)
	r, err := s.client.V1Reviews.Retrieve(ctx, id, params)
	if err != nil {
		return paymentFacts{}, s.failed("fetching a review", err)
	}
	facts := paymentFacts{ID: r.ID, Object: r.Object, ClosedReason: string(r.ClosedReason)}
	facts.setPayment(r.PaymentIntent, r.Charge)
	return facts, nil
}

// warning fetches an early fraud warning.
func (s stripeAPI) warning(ctx context.Context, account, id string) (paymentFacts, error) {
	params := &stripe.RadarEarlyFraudWarningRetrieveParams{}
	onAccount(params, account)
	w, err := s.client.V1RadarEarlyFraudWarnings.Retrieve(ctx, id, params)
	if err != nil {
		return paymentFacts{}, s.failed("fetching an early fraud warning", err)
	}
	facts := paymentFacts{ID: w.ID, Object: w.Object}
	facts.setPayment(w.PaymentIntent, w.Charge)
	return facts, nil
}

// refundsSince lists one page of the refunds that were created since then, after the refund of that ID, the newest first.
func (s stripeAPI) refundsSince(ctx context.Context, account string, since time.Time, after string) ([]refundFacts, error) {
	params := &stripe.RefundListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
	ctx, cancel := onePage(ctx, &params.ListParams, account, after)
	defer cancel()
	return listed(s, "listing refunds", s.client.V1Refunds.List(ctx, params), factsOfRefund)
}

// disputesSince does for disputes what refundsSince does for refunds.
func (s stripeAPI) disputesSince(ctx context.Context, account string, since time.Time, after string) ([]disputeFacts, error) {
	params := &stripe.DisputeListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
	ctx, cancel := onePage(ctx, &params.ListParams, account, after)
	defer cancel()
	return listed(s, "listing disputes", s.client.V1Disputes.List(ctx, params), factsOfDispute)
}

// pageTimeout is how long a sweep waits for one page of a list, so that an account that does not answer keeps no other
// account waiting for long.
const pageTimeout = 30 * time.Second

// onePage has a list answer one page: the objects after the one of that ID.
func onePage(ctx context.Context, p *stripe.ListParams, account, after string) (context.Context, context.CancelFunc) {
	p.Limit, p.Single = stripe.Int64(pageSize), true
	if after != "" {
		p.StartingAfter = stripe.String(after)
	}
	onAccount(p, account)
	return context.WithTimeout(ctx, pageTimeout)
}

// refused reports whether Stripe answered that it did not do what the request asked for. A conflict of idempotency keys
// (409) is not such an answer, because the first request may still succeed. Server errors and lost answers are not either.
func refused(err error) bool {
	var se *stripe.Error
	return errors.As(err, &se) && se.HTTPStatusCode >= 400 && se.HTTPStatusCode < 500 && se.HTTPStatusCode != 409
}

// badRequest reports whether Stripe found the request at odds with the object, such as when a session that is not open is
// to be expired.
func badRequest(err error) bool { return statusCode(err) == 400 }

// tooLate reports whether the end of a session was too near when Stripe received the request that creates it.
func tooLate(err error) bool {
	var se *stripe.Error
	return errors.As(err, &se) && se.HTTPStatusCode == 400 && se.Param == "expires_at"
}

// missing reports whether Stripe does not know the object.
func missing(err error) bool { return statusCode(err) == 404 }

// statusCode returns the HTTP status that Stripe answered with; 0: Stripe did not answer.
func statusCode(err error) int {
	var se *stripe.Error
	if !errors.As(err, &se) {
		return 0
	}
	return se.HTTPStatusCode
}

// refusal says why Stripe refused a request, without what Stripe quotes of it.
func refusal(err error) string {
	var se *stripe.Error
	if !errors.As(err, &se) {
		return ""
	}
	if se.Code != "" {
		return string(se.Code)
	}
	return "stripe answered " + strconv.Itoa(se.HTTPStatusCode)
}

// unrefundable reports whether the money of a charge is gone already: it was refunded, or the customer's bank took it back
// (https://docs.stripe.com/error-codes).
func unrefundable(err error) bool {
	var se *stripe.Error
	return errors.As(err, &se) && (se.Code == stripe.ErrorCodeChargeAlreadyRefunded || se.Code == stripe.ErrorCodeChargeDisputed)
}

// stripeError is a failed request to Stripe. errors.As finds the *stripe.Error in it. Its text leaves out what Stripe and
// stripe-go quote, such as an e-mail address from the request or the beginning of an answer that could not be read.
type stripeError struct {
	doing string
	err   error
}

func (e *stripeError) Error() string {
	text := "checkout: " + e.doing + ": "
	var se *stripe.Error
	var ne net.Error
	switch {
	case errors.As(e.err, &se):
		text += "stripe answered " + strconv.Itoa(se.HTTPStatusCode)
		for _, part := range []string{string(se.Type), string(se.Code), se.Param, se.RequestID} {
			if part != "" {
				text += " " + part
			}
		}
		return text
	case errors.Is(e.err, context.Canceled), errors.Is(e.err, context.DeadlineExceeded), errors.As(e.err, &ne):
		return text + e.err.Error()
	}
	return text + fmt.Sprintf("stripe's answer could not be read (%T)", e.err)
}

func (e *stripeError) Unwrap() error { return e.err }
