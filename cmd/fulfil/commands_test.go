package main

import (
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/checkout/doctor"
	"github.com/gofulfil/fulfil/store"
)

var (
	times = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	ids   = regexp.MustCompile(`\b(cs_test|pi|re|evt|cus)_\w+`)
)

// golden replaces what differs from run to run by texts of the same kind, and folds the padding that they had.
func golden(text string) string {
	text = ids.ReplaceAllString(times.ReplaceAllString(text, "TIME"), "${1}_ID")
	return regexp.MustCompile(`  +`).ReplaceAllString(text, "  ")
}

func TestOrders(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		require.Equal(t, "There are no such orders.\n", s.run("orders", "list").stderr)
		s.ok("stock", "set", "tee", "100")
		s.pay("order-1", "ada@example.com")
		s.begin("order-2")
		s.stuckOrder("order-3", "bob@example.com")

		require.Equal(t, `ORDER  CREATED  STATUS  TOTAL  E-MAIL  STUCK
order-3  TIME  paid  39.98 USD  bob@example.com  fulfil: webhook: permanent failure: the printer is on fire
order-2  TIME  open  39.98 USD  -  -
order-1  TIME  fulfilled  39.98 USD  ada@example.com  -
`, golden(s.ok("orders", "list")))
		require.Equal(t, `ORDER  CREATED  TOTAL  REASON  WHAT HELPS
order-3  TIME  39.98 USD  fulfil: webhook: permanent failure: the printer is on fire  retry, fulfil-anyway, give-up, refund
`, golden(s.ok("orders", "stuck")))

		for filter, want := range map[string]string{
			"-status fulfilled": "order-1", "-status paid": "order-3", "-status open,fulfilled": "order-2 order-1", "-email ADA@example.com": "order-1",
			"-metadata customer=4711 -oldest": "order-1 order-2 order-3", "-metadata customer=1": "", "-limit 1": "order-3", "-until 2020-01-01": "",
			"-since 2020-01-01 -limit 0": "order-3 order-2 order-1",
		} {
			var got []string
			for _, o := range lines[orderLine](t, s.ok(append([]string{"orders", "list", "-json"}, strings.Fields(filter)...)...)) {
				got = append(got, o.ID)
			}
			require.Equal(t, want, strings.Join(got, " "), filter)
		}
		line := lines[orderLine](t, s.ok("orders", "list", "-json", "-status", "fulfilled"))[0]
		require.Equal(t, orderLine{ID: "order-1", CreatedAt: line.CreatedAt, Status: checkout.Fulfilled, Mode: "payment", Currency: "usd", Total: 3998, Email: "ada@example.com"}, line)

		shown := golden(s.ok("orders", "show", "order-3"))
		for _, part := range []string{
			"ORDER  order-3\nstatus  paid\n", "total  39.98 USD\n", "can be refunded  39.98 USD\n", "customer  bob@example.com",
			"what helps  fulfil orders resolve retry, fulfil orders resolve fulfil-anyway, fulfil orders resolve give-up, fulfil orders refund\n",
			"\nLINE  SKU  UNIT  QUANTITY\nT-shirt  tee  19.99 USD  2\n",
			"ATTEMPT  STATE  CREATED  AMOUNT  HOLD  SESSION  PAYMENT\n1  paid  TIME  39.98 USD  sold  cs_test_ID  pi_ID\n",
			"OUTBOX  KIND  RECORDED  DELIVERED  DETAIL\n1  fulfil  TIME  not yet", "NEXT  WHEN  WHY\ndecide  at once  fulfil: ",
		} {
			require.Contains(t, shown, part)
		}
		session := s.order("order-3").Attempts[0].SessionID
		require.Equal(t, "order-3", lines[orderStory](t, s.ok("orders", "show", "-json", session))[0].ID, "an ID of Stripe's leads to the order")
		require.Contains(t, s.refused(exitFailed, "orders", "show", "order-9"), "there is no such order")
	})
}

// Of a subscription is shown whether it gives access, when an invoice is tried again, and of which invoice money went back.
func TestShowSubscription(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		paid := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
		s.insert(&store.Order{
			ID: "member-1", Mode: "subscription", Currency: "eur", CreatedAt: paid, UpdatedAt: paid, FulfilledAt: paid,
			Attempts:      []store.Attempt{{N: 1, SessionID: "cs_1", Subscription: "sub_1", PaymentIntent: "pi_1", Completed: true, Paid: true, PaidAt: paid, Amount: 900}},
			Subscriptions: []store.Subscription{{ID: "sub_1", Attempt: 1, Status: store.SubscriptionPastDue}},
			Invoices: []store.Invoice{
				{ID: "in_1", Attempt: 1, Subscription: "sub_1", Reason: "subscription_create", State: store.InvoicePaid, Total: 900, Due: 900, Paid: 900, CreatedAt: paid, PeriodEnd: paid.AddDate(0, 1, 0)},
				{ID: "in_2", Attempt: 1, Subscription: "sub_1", Reason: "subscription_cycle", State: store.InvoiceOpen, Total: 900, Due: 900, CreatedAt: paid.AddDate(0, 1, 0), Tries: 2, NextTry: paid.AddDate(0, 1, 5)},
			},
			Refunds:  []store.Refund{{ID: "re_1", Attempt: 1, Invoice: "in_2", Amount: 100, State: store.RefundSucceeded}},
			Disputes: []store.Dispute{{ID: "dp_1", Attempt: 1, Invoice: "in_2", Amount: 500, Currency: "jpy", State: store.DisputeLost}},
		})
		shown := golden(s.ok("orders", "show", "member-1"))
		for _, part := range []string{
			"first payment, can be refunded  9.00 EUR\n", "access without a grace  no, past_due\n", "re_ID  succeeded  1.00 EUR  1  in_2\n",
			"dp_1  lost  500 JPY  1  in_2\n", "in_2  open  TIME  9.00 EUR  0.00 EUR  2  TIME\n",
		} {
			require.Contains(t, shown, part)
		}
		story := lines[orderStory](t, s.ok("orders", "show", "-json", "member-1"))[0]
		require.Equal(t, &access{Reason: "past_due", Until: paid.AddDate(0, 1, 0)}, story.Access)
		require.Equal(t, paid.AddDate(0, 1, 5), story.Invoices[1].NextTry)
		require.Equal(t, "jpy", story.Disputes[0].Currency)
	})
}

// A decision is recorded, and the shop carries it out.
func TestResolve(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		s.ok("stock", "set", "tee", "100")
		s.stuckOrder("order-1", "ada@example.com")
		out := s.ok("orders", "resolve", "order-1", "retry")
		require.Equal(t, "order-1: what failed is tried again\n  a process of the shop does next: fulfil order, within a minute, because the order is paid\n", out)
		require.True(t, s.order("order-1").FulfilledAt.IsZero(), "the command hands nothing over")
		s.srv.Advance(time.Minute)
		s.sweep()
		require.Equal(t, checkout.Fulfilled, checkout.Display(s.order("order-1")))
		require.Contains(t, s.refused(exitFailed, "orders", "resolve", "order-1", "give-up", "-yes"), "it can't be given up: refund it with")

		s.stuckOrder("order-2", "ada@example.com")
		require.Contains(t, s.refused(exitUsage, "orders", "resolve", "order-2", "give-up"), "confirm with -yes")
		r := s.typed("order-1", "orders", "resolve", "order-2", "give-up")
		require.Equal(t, exitUsage, r.code)
		require.Contains(t, r.stderr, "Order order-2 over 39.98 USD will not be handed over.\nType order-2 to go on:\n")
		require.True(t, s.order("order-2").GivenUpAt.IsZero(), "something else was typed")
		require.Equal(t, exitOK, s.typed("order-2", "orders", "resolve", "order-2", "give-up").code)
		require.False(t, s.order("order-2").GivenUpAt.IsZero())

		s.stuckOrder("order-3", "ada@example.com")
		done := lines[outcome](t, s.ok("orders", "resolve", "-json", "order-3", "fulfil-anyway"))[0]
		require.Equal(t, "fulfil order", done.Next[0].Action)
		s.srv.Advance(time.Hour)
		r = s.run("orders", "resolve", "order-3", "retry")
		require.Contains(t, r.stderr, "nothing is carried out until a process of the shop runs")

		s.begin("order-4")
		require.Contains(t, s.refused(exitFailed, "orders", "resolve", "order-4", "retry"), "the order is not paid")
		require.Contains(t, s.ok("orders", "cancel", "order-4", "-yes"), "order-4: the order is canceled")
		require.Equal(t, store.Canceled, s.order("order-4").Status())
		require.Contains(t, s.refused(exitFailed, "orders", "cancel", "order-1", "-yes"), "refund it with")
		require.Contains(t, s.refused(exitUsage, "orders", "resolve", "order-1", "burn"), "retry, fulfil-anyway or give-up")
	})
}

// A refund is made once, however often the command runs, and the goods are back in stock once.
func TestRefund(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		s.ok("stock", "set", "tee", "100")
		s.pay("order-1", "ada@example.com")
		require.Contains(t, s.refused(exitUsage, "orders", "refund", "order-1"), "39.98 USD of order order-1 go back to the customer. So far 0.00 USD were given back, and 39.98 USD are left.")
		require.Contains(t, s.ok("orders", "refund", "order-1", "-amount", "5", "-yes"), "order-1: 5.00 USD were refunded\n")
		require.Contains(t, s.ok("orders", "refund", "order-1", "-amount", "5.00", "-yes"), "nothing more was refunded, as the same command ran before")
		require.EqualValues(t, 500, s.order("order-1").Refunded())
		require.Contains(t, s.ok("orders", "refund", "order-1", "-amount", "5 USD", "-yes", "-key", "second"), "5.00 USD were refunded")
		require.EqualValues(t, 1000, s.order("order-1").Refunded())
		out := s.ok("orders", "refund", "order-1", "-restock", "-yes")
		require.Regexp(t, `order-1: 29.98 USD were refunded, and the goods are back in stock since `, out)
		require.Contains(t, s.refused(exitFailed, "orders", "refund", "order-1", "-restock", "-yes"), "nothing was refunded")
		require.Equal(t, []stockLine{{"tee", 100, 0, 2, 100}}, lines[stockLine](t, s.ok("stock", "list", "-json")), "sold, and put back")
		require.Equal(t, store.Refunded, s.order("order-1").Status())

		for args, message := range map[string]string{
			"-amount 5.001": "more decimals than USD", "-amount -5": "a number above zero", "-amount x": "a number above zero", "-amount 0": "a number above zero",
			"-invoice in_1": "has no invoice", "-key " + strings.Repeat("k", 61): "at most 60 bytes",
		} {
			require.Contains(t, s.refused(exitUsage, append([]string{"orders", "refund", "order-1", "-yes"}, strings.Fields(args)...)...), message, args)
		}
		require.Contains(t, s.refused(exitUsage, "orders", "refund", "order-1", "-yes", "-amount", "5 EUR"), "the order is in USD")
	})
}

// Of an order that was paid twice, -attempt names the payment that goes back.
func TestRefundOfASecondPayment(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		s.ok("stock", "set", "tee", "100")
		s.pay("order-2", "ada@example.com")
		other := s.order("order-2").PaidAttempt()
		s.pay("order-1", "ada@example.com")
		require.NoError(t, s.store.InTx(t.Context(), func(tx *sql.Tx) error {
			orders, err := s.store.Lock(t.Context(), tx, "order-1")
			second := *orders[0].PaidAttempt()
			second.N, second.SessionID, second.PaymentIntent, second.Duplicate = 2, "cs_2", other.PaymentIntent, true
			orders[0].Attempts = append(orders[0].Attempts, second)
			return errors.Join(err, s.store.Save(t.Context(), tx, orders[0]))
		}))
		require.Contains(t, s.ok("orders", "stuck"), "attempt 2 was paid, too")
		require.Contains(t, s.refused(exitUsage, "orders", "refund", "order-1", "-attempt", "3", "-yes"), "no payment of attempt 3")
		require.Contains(t, s.refused(exitFailed, "orders", "refund", "order-1", "-attempt", "2", "-restock", "-yes"), "without Restock")
		require.Contains(t, s.ok("orders", "refund", "order-1", "-attempt", "2", "-amount", "5", "-yes"), "5.00 USD were refunded")
		require.Contains(t, s.ok("orders", "refund", "order-1", "-attempt", "2", "-yes"), "34.98 USD were refunded")
		require.Zero(t, s.order("order-1").Refunded())
		require.EqualValues(t, 3998, s.order("order-1").AttemptRefunded(2))
		require.False(t, s.order("order-1").Stuck())
		require.Contains(t, s.ok("orders", "refund", "order-1", "-yes"), "39.98 USD were refunded")
	})
}

func TestStock(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		s.ok("stock", "set", "tee", "10")
		s.ok("stock", "set", "mug", "3")
		s.begin("order-1")
		s.pay("order-2", "ada@example.com")
		require.Equal(t, "SKU  ON HAND  HELD  AVAILABLE  SOLD\nmug  3        0     3          0\ntee  8        2     6          2\n", s.ok("stock", "list"))
		require.Equal(t, []stockLine{{"tee", 5, 2, 2, 3}}, lines[stockLine](t, s.ok("stock", "adjust", "tee", "-3", "-json")))
		require.Equal(t, []stockLine{{"tee", 15, 2, 2, 13}}, lines[stockLine](t, s.ok("stock", "adjust", "-json", "tee", "10")))
		require.Contains(t, s.refused(exitFailed, "stock", "set", "tee", "1"), "customers who are paying hold more")
		require.Contains(t, s.refused(exitFailed, "stock", "adjust", "hat", "1"), "make it known with fulfil stock set")
		require.Contains(t, s.refused(exitUsage, "stock", "set", "tee", "-1"), "nothing was changed")
		require.Contains(t, s.refused(exitUsage, "stock", "set", "tee", "many"), "no number of units")
	})
}

// The stock may be in a table of the merchant's own, whose rows are the merchant's.
func TestStockInAnotherTable(t *testing.T) {
	t.Parallel()
	for name, address := range databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, address, "products")
			require.Contains(t, s.refused(exitFailed, "stock", "set", "tee", "10"), "insert its row into the table products")
			_, err := s.db.Exec("INSERT INTO products (sku, stocked, taken) VALUES ('tee', 10, 0)")
			require.NoError(t, err)
			s.pay("order-1", "ada@example.com")
			require.Equal(t, []stockLine{{"tee", 8, 0, 2, 8}}, lines[stockLine](t, s.ok("stock", "list", "-json")))
			s.ok("orders", "refund", "order-1", "-restock", "-yes")
			require.Equal(t, []stockLine{{"tee", 10, 0, 2, 10}}, lines[stockLine](t, s.ok("stock", "list", "-json")))
			for table, message := range map[string]string{"fulfil_orders": "the columns sku, stocked and taken", "none": "the columns sku", "a; b": "letters, digits"} {
				s.env["FULFIL_STOCK_TABLE"] = table
				code := exitFailed
				if table == "a; b" {
					code = exitUsage
				}
				require.Contains(t, s.refused(code, "stock", "list"), message, table)
			}
		})
	}
}

// Events that were not delivered are listed, and delivered to the shop itself.
func TestEvents(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		s.ok("stock", "set", "tee", "10")
		require.Equal(t, "Every event was delivered.\n", s.run("events", "undelivered").stderr)
		s.srv.Faults(checkouttest.Drop())
		s.pay("order-1", "ada@example.com")
		s.srv.Faults()
		require.Equal(t, store.Open, s.order("order-1").Status())
		events := lines[eventLine](t, s.ok("events", "undelivered", "-json"))
		require.NotEmpty(t, events)
		require.Equal(t, "undelivered", events[0].State)
		require.Equal(t, "EVENT  TYPE  CREATED  ACCOUNT  STATE  NEXT TRY\n", golden(strings.SplitAfter(s.ok("events", "undelivered"), "\n")[0]))

		s.env["STRIPE_WEBHOOK_SECRET"] = "whsec_wrong"
		r := s.run("events", "replay", "-all")
		require.Equal(t, exitFailed, r.code)
		require.Contains(t, r.stdout, "the webhook answered 400")
		require.Contains(t, r.stderr, "were not accepted: look at the log of the shop")
		s.env["STRIPE_WEBHOOK_SECRET"] = s.srv.WebhookSecret()

		r = s.run("events", "replay", "-all")
		require.Equal(t, exitOK, r.code, r.stderr)
		require.Equal(t, checkout.Fulfilled, checkout.Display(s.order("order-1")), "the shop's own handlers ran")
		require.Contains(t, r.stderr, fmt.Sprintf("replayed %d of %d\n", len(events), len(events)))
		require.Equal(t, events[0].ID+": accepted\n", s.ok("events", "replay", events[0].ID))
		r = s.run("events", "replay", "-json", "evt_unknown")
		require.Equal(t, exitFailed, r.code)
		require.Contains(t, r.stdout, `"status":0`)
		delete(s.env, "STRIPE_WEBHOOK_SECRET")
		require.Contains(t, s.refused(exitUsage, "events", "replay", "-all"), "STRIPE_WEBHOOK_SECRET is not set")
		require.Contains(t, s.refused(exitUsage, "events", "replay", "-all", "-url", "http://shop.example/hook"), "must be like https://")
	})
}

func TestErase(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		s.ok("stock", "set", "tee", "100")
		for _, id := range []string{"order-1", "order-2", "order-3"} {
			s.pay(id, "ada@example.com")
		}
		s.stuckOrder("order-4", "bob@example.com")
		require.Contains(t, s.refused(exitUsage, "erase", "-email", "ada@example.com"), "The personal data of 3 orders is erased for good.")
		require.Equal(t, "erased order-2\n", s.ok("erase", "order-2", "-yes"))
		require.Empty(t, s.order("order-2").Customer.Email)
		r := s.typed("2", "erase", "-email", "ada@example.com")
		require.Equal(t, exitOK, r.code, r.stderr)
		require.Equal(t, "erased order-1\nerased order-3\n", r.stdout)
		require.Contains(t, r.stderr, "erased 2 of 2\n")
		require.Equal(t, "There is nothing to erase.\n", s.run("erase", "-before", "2100-01-01", "-yes").stderr, "order-4 waits for a person")
		require.NotEmpty(t, s.order("order-4").Customer.Email)
		require.Contains(t, s.refused(exitUsage, "erase", "order-9", "-yes"), `there is no order "order-9"`)
		require.Contains(t, s.refused(exitUsage, "erase"), "only one of them")
	})
}

func TestDoctor(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		s.ok("stock", "set", "tee", "100")
		s.pay("order-1", "ada@example.com")
		report := lines[doctor.Report](t, s.ok("doctor", "-json"))[0]
		require.True(t, report.Healthy())
		s.env["STRIPE_WEBHOOK_SECRET"] = "whsec_wrong"
		r := s.run("doctor")
		require.Equal(t, exitFound, r.code, r.stderr)
		require.Contains(t, r.stdout, "ERROR: The webhook answered 400 to a delivery that was signed with secret 1.\n")
		require.Contains(t, r.stdout, "\n  cure: ")
		s.env["STRIPE_SECRET_KEY"] = "sk_live_x"
		delete(s.env, "STRIPE_API_BASE")
		require.Contains(t, s.refused(exitUsage, "orders", "refund", "order-1", "-yes"), "is of live mode and the orders are of test mode")
	})
}

// An order whose dispute is open, or whose subscription goes on, still needs the customer's data.
func TestOver(t *testing.T) {
	t.Parallel()
	at := time.Unix(1, 0)
	for name, tt := range map[string]struct {
		change func(o *store.Order)
		over   bool
	}{
		"handed over":             {func(*store.Order) {}, true},
		"not handed over":         {func(o *store.Order) { o.FulfilledAt = time.Time{} }, false},
		"expired":                 {func(o *store.Order) { o.Attempts[0] = store.Attempt{N: 1, Expired: true} }, true},
		"open":                    {func(o *store.Order) { o.Attempts[0] = store.Attempt{N: 1} }, false},
		"a dispute is open":       {func(o *store.Order) { o.Disputes = []store.Dispute{{Attempt: 1, State: store.DisputeOpen}} }, false},
		"a dispute of an invoice": {func(o *store.Order) { o.Disputes = []store.Dispute{{Invoice: "in_2", State: store.DisputeOpen}} }, false},
		"a dispute was lost": {func(o *store.Order) {
			o.Disputes = []store.Dispute{{Attempt: 1, Amount: 100, State: store.DisputeLost}}
		}, true},
		"a subscription is active": {func(o *store.Order) { o.Subscriptions = []store.Subscription{{Status: store.SubscriptionActive}} }, false},
		"a subscription has ended": {func(o *store.Order) { o.Subscriptions = []store.Subscription{{Status: store.SubscriptionCanceled}} }, true},
		"disputed before it was handed over": {func(o *store.Order) {
			o.FulfilledAt, o.Disputes = time.Time{}, []store.Dispute{{Attempt: 1, State: store.DisputeOpen}}
		}, false},
	} {
		o := &store.Order{ID: "order-1", FulfilledAt: at, Attempts: []store.Attempt{{N: 1, Completed: true, Paid: true, PaidAt: at, Amount: 100}}}
		tt.change(o)
		require.Equal(t, tt.over, over(o), name)
	}
}
