package checkouttest_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A planner makes subscription schedules for a customer of a server on 31 January, whose card is the source of the customer.
type planner struct {
	*testing.T
	srv    *checkouttest.Server
	in     *inbox
	values map[string]string // what the words in forms stand for
}

// newPlanner returns a planner. In its forms CUS stands for the customer, and TEN, THIRTY, YEAR, ONCE and EURO for prices: 10.00 and
// 30.00 USD a month, 90.00 USD a year, a one-time price and a price in another currency.
func newPlanner(t *testing.T, card string) planner {
	t.Helper()
	srv := newServer(t, checkouttest.Config{Start: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)})
	p := planner{T: t, srv: srv, in: newInbox(srv)}
	price := func(amount int64, currency, interval string) string {
		return srv.AddPrice(checkouttest.Price{Name: "Plan", Currency: currency, UnitAmount: amount, Interval: interval})
	}
	p.values = map[string]string{
		"TEN": price(1000, "usd", "month"), "THIRTY": price(3000, "usd", "month"), "YEAR": price(9000, "usd", "year"), "ONCE": price(500, "usd", ""),
		"EURO": price(1000, "eur", "month"),
	}
	resp, cus := request(t, srv, "POST", "/v1/customers", form("source", card))
	require.Equal(t, 200, resp.StatusCode, cus)
	p.values["CUS"] = str(cus["id"])
	srv.Flush()
	p.in.types(t)
	return p
}

// post sends words as a form: "customer=CUS phases[0][items][0][price]=TEN". It returns the answer, and the types of the events.
func (p planner) post(want int, path, words string) (map[string]any, []string) {
	p.Helper()
	var pairs []string
	for word := range strings.FieldsSeq(words) {
		key, value, _ := strings.Cut(word, "=")
		if known, ok := p.values[value]; ok {
			value = known
		}
		pairs = append(pairs, strings.ReplaceAll(strings.ReplaceAll(key, "0.", "phases[0]"), "1.", "phases[1]"), value)
	}
	resp, body := request(p, p.srv, "POST", "/v1/"+path, form(pairs...))
	require.Equal(p, want, resp.StatusCode, body)
	p.srv.Flush()
	return body, p.in.types(p.T)
}

func (p planner) schedule(id string) *stripe.SubscriptionSchedule {
	p.Helper()
	sched, err := p.srv.Client().V1SubscriptionSchedules.Retrieve(p.Context(), id, nil)
	require.NoError(p, err)
	return sched
}

// until advances the clock to a time of 2027, such as "02-28 12:00", and returns the types of the events.
func (p planner) until(at string) []string {
	p.Helper()
	to, err := time.Parse("2006-01-02 15:04", "2027-"+at)
	require.NoError(p, err)
	p.srv.Advance(to.Sub(p.srv.Now()))
	return p.in.types(p.T)
}

// twoPhases are a month of TEN and two months of two THIRTY.
const twoPhases = "0.[items][0][price]=TEN 0.[iterations]=1 1.[items][0][price]=THIRTY 1.[items][0][quantity]=2 1.[iterations]=2"

var paymentEvents = []string{
	"invoice.finalized", "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid",
}

// The first invoice of a schedule is a draft for an hour, unlike that of a subscription.
// https://docs.stripe.com/billing/subscriptions/subscription-schedules#create-subscription-schedules
func TestSchedule(t *testing.T) {
	t.Parallel()
	p := newPlanner(t, "tok_visa")
	sched, events := p.post(200, "subscription_schedules", "customer=CUS start_date=now metadata[a]=b "+twoPhases+
		" 0.[metadata][plan]=small 0.[metadata][gift]=yes 1.[metadata][plan]=large 1.[metadata][gift]=")
	require.Equal(t, []string{"customer.updated", "invoice.created", "customer.subscription.created", "subscription_schedule.created"}, events)
	for _, key := range jsonKeys(reflect.TypeFor[stripe.SubscriptionSchedule]()) {
		require.Contains(t, sched, key)
	}
	for _, key := range jsonKeys(reflect.TypeFor[stripe.SubscriptionSchedulePhase]()) {
		require.Contains(t, sched["phases"].([]any)[0], key)
	}
	id := str(sched["id"])
	require.Equal(t, "active", sched["status"])
	require.Equal(t, map[string]any{"a": "b"}, sched["metadata"])
	sub := subscription(t, p.srv, str(sched["subscription"]))
	require.EqualValues(t, "active", sub.Status)
	require.Equal(t, id, sub.Schedule.ID)
	require.EqualValues(t, "draft", sub.LatestInvoice.Status)
	require.Equal(t, map[string]string{"plan": "small", "gift": "yes"}, sub.Metadata)
	var ends []string
	for _, phase := range p.schedule(id).Phases {
		ends = append(ends, time.Unix(phase.EndDate, 0).UTC().Format("01-02"))
	}
	require.Equal(t, []string{"02-28", "04-30"}, ends, "phases end with billing periods")

	require.Equal(t, paymentEvents, p.until("01-31 13:00"))
	require.EqualValues(t, 1000, subscription(t, p.srv, sub.ID).LatestInvoice.AmountPaid)

	require.Equal(t, []string{"subscription_schedule.updated", "invoice.created", "customer.subscription.updated"}, p.until("02-28 12:00"))
	require.Equal(t, slices.Insert(slices.Clone(paymentEvents), 4, "invoice.updated"), p.until("02-28 13:00"), "of a later invoice")
	sub = subscription(t, p.srv, sub.ID)
	require.EqualValues(t, 6000, sub.LatestInvoice.AmountPaid, "nothing is prorated at the end of a period")
	require.Equal(t, p.values["THIRTY"], sub.Items.Data[0].Price.ID)
	require.Equal(t, map[string]string{"plan": "large"}, sub.Metadata)
	current := p.schedule(id).CurrentPhase
	require.Equal(t, sub.Items.Data[0].CurrentPeriodStart, current.StartDate)

	require.Contains(t, p.until("03-31 13:00"), "invoice.paid")
	require.Equal(t, []string{"subscription_schedule.expiring"}, p.until("04-23 12:00"))
	require.Equal(t, []string{
		"subscription_schedule.completed", "subscription_schedule.released", "invoice.created", "customer.subscription.updated",
	}, p.until("04-30 12:00"))
	ended := p.schedule(id)
	require.EqualValues(t, "released", ended.Status)
	require.Nil(t, ended.CurrentPhase)
	require.Nil(t, ended.Subscription)
	require.Equal(t, sub.ID, ended.ReleasedSubscription.ID)
	require.Contains(t, p.until("05-31 13:00"), "invoice.paid")
	sub = subscription(t, p.srv, sub.ID)
	require.Nil(t, sub.Schedule)
	require.EqualValues(t, 6000, sub.LatestInvoice.AmountPaid)
	toldLast(t, p.srv)
}

func TestScheduleThatStartsLater(t *testing.T) {
	t.Parallel()
	p := newPlanner(t, "tok_visa")
	create := func(words string) string {
		sched, events := p.post(200, "subscription_schedules", fmt.Sprintf("customer=CUS start_date=%d ", p.srv.Now().Add(day).Unix())+words)
		require.Equal(t, []string{"subscription_schedule.created"}, events)
		require.Equal(t, "not_started", sched["status"])
		require.Nil(t, sched["subscription"])
		return str(sched["id"])
	}
	canceled, released, moved, started := create(twoPhases), create(twoPhases), create(twoPhases), create(twoPhases)
	require.Len(t, ids(t, p.srv, "/v1/subscription_schedules?scheduled=true&customer="+p.values["CUS"]), 4)
	_, events := p.post(200, "subscription_schedules/"+canceled+"/cancel", "prorate=false invoice_now=false")
	require.Equal(t, []string{"subscription_schedule.canceled"}, events)
	_, events = p.post(200, "subscription_schedules/"+released+"/release", "")
	require.Equal(t, []string{"subscription_schedule.released"}, events)
	_, events = p.post(200, "subscription_schedules/"+moved, fmt.Sprintf("0.[start_date]=%d 0.[items][0][price]=TEN", p.srv.Now().Add(10*day).Unix()))
	require.Equal(t, []string{"subscription_schedule.updated"}, events)

	require.Equal(t, []string{"customer.updated", "invoice.created", "customer.subscription.created", "subscription_schedule.updated"}, p.until("02-01 12:00"))
	require.EqualValues(t, "active", p.schedule(started).Status)
	require.Contains(t, p.until("02-10 12:00"), "customer.subscription.created")
	require.NotNil(t, p.schedule(moved).Subscription)
	for _, id := range []string{canceled, released} {
		require.Nil(t, p.schedule(id).Subscription)
	}

	last := create(twoPhases)
	resp, _ := request(t, p.srv, "DELETE", "/v1/customers/"+p.values["CUS"], nil)
	require.Equal(t, 200, resp.StatusCode)
	p.srv.Flush()
	events = p.in.types(t)
	require.Equal(t, []string{"subscription_schedule.canceled", "subscription_schedule.canceled", "subscription_schedule.canceled"}, selected(events, "subscription_schedule."))
	require.EqualValues(t, "canceled", p.schedule(last).Status)
	require.NotContains(t, p.until("03-10 12:00"), "customer.subscription.created")
}

// selected returns the event types with a prefix.
func selected(types []string, prefix string) []string {
	var out []string
	for _, typ := range types {
		if strings.HasPrefix(typ, prefix) {
			out = append(out, typ)
		}
	}
	return out
}

// running returns the IDs of a schedule that runs and of its subscription. Its first invoice is paid.
func (p planner) running(words string) (sched, sub string) {
	p.Helper()
	o, _ := p.post(200, "subscription_schedules", "customer=CUS start_date=now "+words)
	p.srv.Advance(time.Hour)
	p.in.types(p.T)
	return str(o["id"]), str(o["subscription"])
}

func TestScheduleThatCancels(t *testing.T) {
	t.Parallel()
	p := newPlanner(t, "tok_visa")
	id, sub := p.running("end_behavior=cancel " + twoPhases)
	require.Zero(t, subscription(t, p.srv, sub).CancelAt, "another phase follows")
	p.until("02-28 13:00")
	require.Equal(t, p.schedule(id).Phases[1].EndDate, subscription(t, p.srv, sub).CancelAt)
	require.Contains(t, p.until("04-23 12:00"), "subscription_schedule.expiring")
	require.Equal(t, []string{"customer.subscription.deleted", "subscription_schedule.completed"}, p.until("04-30 12:00"))
	ended := p.schedule(id)
	require.EqualValues(t, "completed", ended.Status)
	require.Equal(t, p.srv.Now().Unix(), ended.CompletedAt)
	require.EqualValues(t, "cancellation_requested", subscription(t, p.srv, sub).CancellationDetails.Reason)
	require.Empty(t, p.until("06-30 12:00"))
	toldLast(t, p.srv)
}

// A schedule whose subscription is not paid is aborted, even in its last phase.
func TestScheduleThatIsAborted(t *testing.T) {
	t.Parallel()
	for _, behavior := range []string{"release", "cancel"} {
		p := newPlanner(t, "tok_chargeCustomerFail")
		sched, _ := p.post(200, "subscription_schedules", "customer=CUS start_date=now end_behavior="+behavior+" 0.[items][0][price]=TEN 0.[iterations]=2")
		require.Contains(t, p.until("01-31 13:00"), "invoice.payment_failed")
		require.EqualValues(t, "past_due", subscription(t, p.srv, str(sched["subscription"])).Status)
		events := p.until("02-20 12:00")
		require.Equal(t, []string{"customer.subscription.deleted", "subscription_schedule.aborted"}, events[len(events)-2:])
		require.EqualValues(t, "canceled", p.schedule(str(sched["id"])).Status)
		require.NotZero(t, p.schedule(str(sched["id"])).CanceledAt)
		toldLast(t, p.srv)
	}
}

func TestScheduleIsReleased(t *testing.T) {
	t.Parallel()
	p := newPlanner(t, "tok_visa")
	ending := "end_behavior=cancel 0.[items][0][price]=TEN 0.[iterations]=1"
	for words, keeps := range map[string]bool{"": false, "preserve_cancel_date=true": true} {
		id, sub := p.running(ending)
		end := subscription(t, p.srv, sub).CancelAt
		require.NotZero(t, end)
		released, events := p.post(200, "subscription_schedules/"+id+"/release", words)
		require.Equal(t, []string{"customer.subscription.updated", "subscription_schedule.released"}, events)
		require.Equal(t, "released", released["status"])
		require.Equal(t, sub, released["released_subscription"])
		require.Nil(t, released["subscription"])
		require.Equal(t, keeps, subscription(t, p.srv, sub).CancelAt == end)
		require.Nil(t, subscription(t, p.srv, sub).Schedule)
		p.srv.Advance(32 * day)
		require.Equal(t, keeps, subscription(t, p.srv, sub).Status == "canceled")
	}
	require.NotContains(t, eventTypes(p.srv), "subscription_schedule.completed")
	toldLast(t, p.srv)
}

// By default the rest of the period is credited, and billed at once.
func TestScheduleIsCanceled(t *testing.T) {
	t.Parallel()
	p := newPlanner(t, "tok_visa")
	for words, credit := range map[string]int64{"": -1000, "prorate=false": 0, "prorate=false invoice_now=false": 0} {
		o, _ := p.post(200, "subscription_schedules", "customer=CUS start_date=now 0.[items][0][price]=TEN 0.[iterations]=2")
		id, sub := str(o["id"]), str(o["subscription"])
		_, events := p.post(200, "subscription_schedules/"+id+"/cancel", words)
		require.Equal(t, "subscription_schedule.canceled", events[len(events)-1])
		ended := subscription(t, p.srv, sub)
		require.EqualValues(t, "canceled", ended.Status)
		require.Equal(t, credit != 0, ended.LatestInvoice.Total == credit, words)
		require.EqualValues(t, "canceled", p.schedule(id).Status)
	}
	id, sub := p.running(twoPhases)
	first := subscription(t, p.srv, sub).LatestInvoice
	require.Equal(t, []int64{1000, 0}, []int64{first.Total, first.AmountDue}, "the credit pays the first invoice of a schedule")
	resp, _ := request(t, p.srv, "DELETE", "/v1/subscriptions/"+sub, nil)
	require.Equal(t, 200, resp.StatusCode)
	p.srv.Flush()
	require.Contains(t, p.in.types(t), "subscription_schedule.canceled", "a schedule ends with its subscription")
	require.EqualValues(t, "canceled", p.schedule(id).Status)
	toldLast(t, p.srv)
}

// A subscription that runs is put under a schedule, and changes its price when the period ends, or before.
func TestScheduleFromSubscription(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		words  string // of the update; END is the end of the period
		events []string
		paid   int64 // the invoice of 28 February
		price  string
		next   string // the end of the period that then begins
	}{
		"at the end of the period": {
			"0.[end_date]=END 1.[items][0][price]=THIRTY", []string{"subscription_schedule.updated"}, 3000, "THIRTY", "03-31",
		},
		"to a price of another interval": {
			"0.[end_date]=END 1.[items][0][price]=YEAR", []string{"subscription_schedule.updated"}, 9000, "YEAR", "02-28",
		},
		"at once": {
			"0.[end_date]=END 0.[items][0][price]=THIRTY 1.[items][0][price]=THIRTY proration_behavior=none",
			[]string{"customer.subscription.updated", "subscription_schedule.updated"}, 3000, "THIRTY", "03-31",
		},
		"within the period": { // on 14 February, when half of the month is over
			"0.[end_date]=HALF 1.[items][0][price]=THIRTY 1.[duration][interval]=month", []string{"subscription_schedule.updated"}, 3000 + 1500 - 500, "THIRTY", "03-31",
		},
		"within the period, billed at once": {
			"0.[end_date]=HALF 1.[items][0][price]=THIRTY 1.[proration_behavior]=always_invoice", []string{"subscription_schedule.updated"}, 3000, "THIRTY", "03-31",
		},
		"within the period, to another interval": {
			"0.[end_date]=HALF 1.[items][0][price]=YEAR", []string{"subscription_schedule.updated"}, 9000 - 500, "YEAR", "02-14",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlanner(t, "tok_visa")
			o, _ := p.post(200, "subscriptions", "customer=CUS items[0][price]=TEN")
			sched, events := p.post(200, "subscription_schedules", "from_subscription="+str(o["id"]))
			require.Equal(t, []string{"subscription_schedule.created", "customer.subscription.updated"}, events)
			id, sub := str(sched["id"]), subscription(t, p.srv, str(o["id"]))
			require.Equal(t, id, sub.Schedule.ID)
			first := p.schedule(id).Phases[0]
			item := sub.Items.Data[0]
			require.Equal(t, []int64{item.CurrentPeriodStart, item.CurrentPeriodEnd}, []int64{first.StartDate, first.EndDate})
			require.Equal(t, p.values["TEN"], first.Items[0].Price.ID)

			p.values["START"], p.values["END"] = fmt.Sprint(first.StartDate), fmt.Sprint(first.EndDate)
			p.values["HALF"] = fmt.Sprint((first.StartDate + first.EndDate) / 2)
			words := "0.[start_date]=START " + c.words
			if !strings.Contains(words, "0.[items]") {
				words += " 0.[items][0][price]=TEN"
			}
			_, events = p.post(200, "subscription_schedules/"+id, words)
			require.Equal(t, c.events, events)
			events = p.until("02-28 13:00")
			require.Contains(t, events, "subscription_schedule.updated")
			sub = subscription(t, p.srv, sub.ID)
			require.Equal(t, c.paid, sub.LatestInvoice.AmountPaid)
			require.Equal(t, p.values[c.price], sub.Items.Data[0].Price.ID)
			require.Equal(t, c.next, time.Unix(sub.Items.Data[0].CurrentPeriodEnd, 0).UTC().Format("01-02"))
			require.Len(t, p.schedule(id).Phases, 2)
			toldLast(t, p.srv)
		})
	}
}

// What a schedule decides on is not changed beside it: neither over the API nor on the portal.
func TestSubscriptionWithSchedule(t *testing.T) {
	t.Parallel()
	p := newPlanner(t, "tok_visa")
	id, sub := p.running(twoPhases + " 0.[metadata][a]=phase")
	for _, words := range []string{"cancel_at_period_end=true", "cancel_at=1900000000"} {
		refused, _ := p.post(400, "subscriptions/"+sub, words)
		require.Contains(t, refused["error"].(map[string]any)["message"], "managed by the subscription schedule `"+id+"`")
	}
	refused, _ := p.post(400, "subscriptions/"+sub, "items[0][price]=THIRTY")
	require.Equal(t, "items", refused["error"].(map[string]any)["param"])
	p.post(200, "subscriptions/"+sub, "metadata[a]=b")
	changed, _ := p.post(200, "subscription_schedules/"+id, "metadata[c]=d")
	require.Equal(t, map[string]any{"c": "d"}, changed["metadata"])
	require.Equal(t, map[string]string{"a": "b"}, subscription(t, p.srv, sub).Metadata)
	expanded, err := p.srv.Client().V1Subscriptions.Retrieve(t.Context(), sub, &stripe.SubscriptionRetrieveParams{Params: stripe.Params{Expand: []*string{stripe.String("schedule")}}})
	require.NoError(t, err)
	require.EqualValues(t, "active", expanded.Schedule.Status)
}

func TestScheduleRefusals(t *testing.T) {
	t.Parallel()
	p := newPlanner(t, "tok_visa")
	id, sub := p.running(twoPhases)
	over, _ := p.running(twoPhases)
	p.post(200, "subscription_schedules/"+over+"/cancel", "")
	start := p.schedule(id).Phases[0].StartDate
	p.values["START"], p.values["NOW"] = fmt.Sprint(start), fmt.Sprint(p.srv.Now().Unix())
	const create, one = "subscription_schedules", "customer=CUS start_date=now 0.[items][0][price]=TEN "
	update := create + "/" + id
	for _, c := range []struct{ path, words, param, message string }{
		{create, "start_date=now " + twoPhases, "customer", "Missing"},
		{create, "customer=CUS " + twoPhases, "start_date", "Missing"},
		{create, "customer=CUS start_date=now", "phases", "Missing"},
		{create, "customer=cus_1 start_date=now " + twoPhases, "customer", "No such customer"},
		{create, "customer=CUS start_date=1700000000 " + twoPhases, "start_date", "backdate"},
		{create, one + "0.[end_date]=1700000000", "phases[0][end_date]", "after its start_date"},
		{create, one + "0.[end_date]=1900000000 0.[iterations]=1", "phases[0]", "only specify one"},
		{create, one + "0.[iterations]=0", "phases[0][iterations]", "greater"},
		{create, one + "0.[duration][interval]=hour", "phases[0][duration][interval]", "must be one of"},
		{create, one + "0.[trial]=true", "phases[0][trial]", "does not implement"},
		{create, one + "0.[items][0][tax_rates][0]=txr_1", "phases[0][items][0][tax_rates]", "does not implement"},
		{create, one + "0.[items][0][quantity]=0", "phases[0][items][0][quantity]", "greater"},
		{create, one + "0.[items][1][price]=TEN", "phases[0][items][1][price]", "once"},
		{create, one + "0.[items][1][price]=YEAR", "phases[0][items][1][price]", "interval"},
		{create, one + "0.[items][1][price]=EURO", "phases[0][items][1][price]", "currency"},
		{create, one + "1.[items][0][price]=EURO", "phases[1][items][0][price]", "currency"},
		{create, "customer=CUS start_date=now 0.[items][0][price]=ONCE", "phases[0][items][0][price]", "one_time"},
		{create, "customer=CUS start_date=now 0.[items][0][quantity]=1", "phases[0][items][0][price]", "Missing"},
		{create, "customer=CUS start_date=now 0.[iterations]=1", "phases[0][items]", "Missing"},
		{create, one + "end_behavior=renew", "end_behavior", "does not implement"},
		{create, one + "end_behavior=stop", "end_behavior", "must be one of"},
		{create, one + "default_settings[description]=x", "default_settings", "does not implement"},
		{create, "from_subscription=" + sub, "from_subscription", "already attached"},
		{create, "from_subscription=sub_1", "from_subscription", "No such subscription"},
		{create, "end_behavior=cancel from_subscription=" + sub, "end_behavior", "from_subscription"},
		{update, "0.[items][0][price]=TEN", "phases[0][start_date]", "must be the current one"},
		{update, "0.[start_date]=START 0.[end_date]=NOW 0.[items][0][price]=TEN", "phases[0][end_date]", "later time only"},
		{update, "0.[start_date]=START 0.[end_date]=now 0.[items][0][price]=TEN", "phases[0][end_date]", "does not implement"},
		{update, "0.[start_date]=START 0.[items][0][price]=TEN 1.[items][0][price]=TEN 1.[start_date]=START", "phases[1][start_date]", "end_date of the phase before"},
		{update, "proration_behavior=some", "proration_behavior", "must be one of"},
		{create + "/" + over, "metadata[a]=b", "", "You cannot update a subscription schedule that is currently in the `canceled` status."},
		{create + "/" + over + "/release", "", "", "You cannot release"},
		{create + "/" + over + "/cancel", "", "", "You cannot cancel"},
	} {
		refused, _ := p.post(400, c.path, c.words)
		e := refused["error"].(map[string]any)
		require.Equal(t, c.param, str(e["param"]), c.words)
		require.Contains(t, e["message"], c.message, c.words)
	}
	resp, _ := request(t, p.srv, "POST", "/v1/subscription_schedules/sub_sched_1/cancel", nil)
	require.Equal(t, 404, resp.StatusCode)
}

// A card that a token gives to a customer is the customer's default source. It pays what has no other method.
func TestCustomerSource(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	_, cus := request(t, srv, "POST", "/v1/customers", form("source", "tok_mastercard"))
	srv.Flush()
	require.Equal(t, []string{"customer.created", "customer.source.created"}, in.types(t))
	source := str(cus["default_source"])
	require.Regexp(t, `^card_1\w+$`, source)
	require.Equal(t, []string{source}, ids(t, srv, "/v1/payment_methods?customer="+str(cus["id"])))
	shown := string(srv.Events()[1].Object)
	require.Contains(t, shown, `"brand": "MasterCard"`)
	for _, key := range jsonKeys(reflect.TypeFor[stripe.Card](), "account", "available_payout_methods", "currency", "default_for_currency", "deleted", "description", "iin", "issuer", "networks", "status") {
		require.Contains(t, shown, `"`+key+`":`)
	}
	for token, want := range map[string]int{"tok_nothing": 400, "pm_card_visa": 400, "tok_chargeDeclined": 402} {
		resp, refused := request(t, srv, "POST", "/v1/customers", form("source", token))
		require.Equal(t, want, resp.StatusCode, refused)
	}
	require.Len(t, srv.Events(), 2)
}
