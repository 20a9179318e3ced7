package main

import (
	"context"
	"flag"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// orderLine is an order in a list, as JSON. Amounts are in minor units of the currency, as Stripe takes them.
type orderLine struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	// Status is a word of checkout.Display.
	Status   checkout.DisplayStatus `json:"status"`
	Mode     string                 `json:"mode"`
	Currency string                 `json:"currency"`
	Total    int64                  `json:"total"`
	Refunded int64                  `json:"refunded"`
	Email    string                 `json:"email"`
	// Stuck says why a person must decide; empty: none must.
	Stuck string `json:"stuck"`
	// Helps are commands that may help an order that is stuck.
	Helps []string `json:"helps,omitempty"`
}

func lineOf(o *store.Order) orderLine {
	line := orderLine{
		ID: o.ID, CreatedAt: o.CreatedAt, Status: checkout.Display(o), Mode: o.Mode, Currency: o.Currency,
		Total: checkout.Total(o).Minor(), Refunded: o.Refunded(), Email: o.Customer.Email, Stuck: o.StuckReason(),
	}
	if line.Stuck != "" {
		line.Helps = helps(o)
	}
	return line
}

// total is what an order comes to, for people; empty: only Stripe knows.
func total(o *store.Order) string {
	amount := checkout.Total(o)
	if amount.Currency() == "" {
		return ""
	}
	return amount.String()
}

// helps returns the commands that the order takes as it is.
func helps(o *store.Order) (commands []string) {
	if !o.Paid() {
		return []string{"fulfil orders cancel"}
	}
	for _, word := range [...]string{"retry", "fulfil-anyway", "give-up"} {
		r := resolutions[word].resolution
		if r.Check(o) == nil && (r != checkout.GiveUp || o.GivenUpAt.IsZero()) {
			commands = append(commands, "fulfil orders resolve "+word)
		}
	}
	left := func(a store.Attempt) bool { return o.AttemptRefundable(a.N) > 0 }
	leftOf := func(inv store.Invoice) bool { return o.InvoiceRefundable(inv.ID) > 0 }
	if slices.ContainsFunc(o.Attempts, left) || slices.ContainsFunc(o.Invoices, leftOf) {
		commands = append(commands, "fulfil orders refund")
	}
	return commands
}

// statuses are the words that -status takes.
var statuses = []string{
	string(store.Draft), string(store.Open), string(store.Processing), string(store.Paid), string(checkout.Fulfilled), string(store.PartiallyRefunded),
	string(store.Refunded), string(store.Disputed), string(store.Canceled), string(store.Failed), string(store.Expired),
}

// filter says which orders are listed.
type filter struct {
	status, email, customer, metadata, since, until string
	oldest                                          bool
	limit                                           int
}

// query returns the filter as a query, and what keeps an order that the query finds.
func (f filter) query() (q store.Query, keep func(*store.Order) bool, err error) {
	q = store.Query{Email: f.email, CustomerID: f.customer, Newest: !f.oldest}
	if f.limit < 0 {
		return q, nil, usagef("-limit is a number of orders, or 0 for all")
	}
	words := strings.FieldsFunc(f.status, func(r rune) bool { return r == ',' || r == ' ' })
	for _, word := range words {
		if !slices.Contains(statuses, word) {
			return q, nil, usagef("there is no status %q: use one of %s", word, strings.Join(statuses, ", "))
		}
		if word == string(checkout.Fulfilled) {
			word = string(store.Paid) // that is how the Store keeps it
		}
		q.Status = append(q.Status, store.Status(word))
	}
	keep = func(o *store.Order) bool {
		return len(words) == 0 || slices.Contains(words, string(checkout.Display(o)))
	}
	if f.metadata != "" {
		key, value, ok := strings.Cut(f.metadata, "=")
		if !ok || key == "" {
			return q, nil, usagef("-metadata is like customer=4711")
		}
		q.Metadata = map[string]string{key: value}
	}
	for _, bound := range []struct {
		name, text string
		at         *time.Time
	}{{"-since", f.since, &q.CreatedFrom}, {"-until", f.until, &q.CreatedTo}} {
		if *bound.at, err = parseTime(bound.name, bound.text); err != nil {
			return q, nil, err
		}
	}
	return q, keep, nil
}

// parseTime reads a day or a time, in UTC unless the time says otherwise.
func parseTime(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usagef("%s is a day like 2026-03-31, or a time like 2026-03-31T18:00:00Z", name)
}

// each calls fn with the orders that a query finds, a page at a time, until there are limit of them; 0: all. page is called after
// each page.
func (s *shop) each(ctx context.Context, q store.Query, limit int, keep func(*store.Order) bool, fn func(*store.Order) error, page func() error) (n int, err error) {
	q.Limit = store.MaxLimit
	if limit > 0 {
		q.Limit = min(limit, store.MaxLimit)
	}
	for {
		orders, err := s.store.List(ctx, q)
		if err != nil {
			return n, err
		}
		for _, o := range orders {
			if !keep(o) {
				continue
			}
			if err := fn(o); err != nil {
				return n, err
			}
			if n++; n == limit {
				return n, page()
			}
		}
		if err := page(); err != nil || len(orders) < q.Limit {
			return n, err
		}
		last := orders[len(orders)-1]
		q.After = store.Position{CreatedAt: last.CreatedAt, ID: last.ID}
	}
}

var listCommand = command{
	name: "orders list", short: "list orders, the newest first",
	long: `
Lists orders by the time of their creation. With -json, each line is an object with the members id, created_at, status, mode,
currency, total, refunded, email, stuck and helps. Amounts are in minor units of the currency.

The statuses are ` + strings.Join(statuses, ", ") + `.`,
	setup: func(p *program, flags *flag.FlagSet) action {
		var f filter
		flags.StringVar(&f.status, "status", "", "only orders of these `STATUSES`, with commas between them")
		flags.StringVar(&f.email, "email", "", "only orders of the customer with this e-mail `ADDRESS`")
		flags.StringVar(&f.customer, "customer", "", "only orders of the customer with this `ID` at Stripe (cus_…)")
		flags.StringVar(&f.metadata, "metadata", "", "only orders with this `KEY=VALUE` of metadata")
		flags.StringVar(&f.since, "since", "", "only orders created at this `TIME` or later: 2026-03-31, or 2026-03-31T18:00:00Z")
		flags.StringVar(&f.until, "until", "", "only orders created before this `TIME`")
		flags.BoolVar(&f.oldest, "oldest", false, "the oldest first")
		flags.IntVar(&f.limit, "limit", 50, "at most this `NUMBER` of orders; 0: all")
		return func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return usagef("orders list takes no arguments: fulfil orders show shows one order")
			}
			q, keep, err := f.query()
			if err != nil {
				return err
			}
			return p.listOrders(ctx, q, keep, f.limit)
		}
	},
}

func (p *program) listOrders(ctx context.Context, q store.Query, keep func(*store.Order) bool, limit int) error {
	s, err := p.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	t := p.table("ORDER", "CREATED", "STATUS", "TOTAL", "E-MAIL", "STUCK")
	n, err := s.each(ctx, q, limit, keep, func(o *store.Order) error {
		if p.options.json {
			return p.printJSON(lineOf(o))
		}
		return t.row(o.ID, when(o.CreatedAt), string(checkout.Display(o)), total(o), o.Customer.Email, o.StuckReason())
	}, t.page)
	if err == nil && n == limit && limit > 0 {
		p.note("Only %s: -limit 0 lists all.", count(n, "order is listed", "orders are listed"))
	}
	if err == nil && n == 0 {
		p.note("There are no such orders.")
	}
	return err
}

var stuckCommand = command{
	name: "orders stuck", short: "list the orders that need a person, with what helps",
	long: `
Lists the orders that a person must decide about, the oldest first, with the reason and the commands that the order takes as it is.
With -json, the lines are those of fulfil orders list.`,
	setup: func(p *program, _ *flag.FlagSet) action {
		return func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return usagef("orders stuck takes no arguments: fulfil orders show shows one order")
			}
			return p.listStuck(ctx)
		}
	},
}

func (p *program) listStuck(ctx context.Context) error {
	s, err := p.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	t := p.table("ORDER", "CREATED", "TOTAL", "REASON", "WHAT HELPS")
	n, err := s.each(ctx, store.Query{Stuck: true}, 0, (*store.Order).Stuck, func(o *store.Order) error {
		if p.options.json {
			return p.printJSON(lineOf(o))
		}
		var words []string
		for _, c := range helps(o) {
			words = append(words, c[strings.LastIndexByte(c, ' ')+1:])
		}
		return t.row(o.ID, when(o.CreatedAt), total(o), o.StuckReason(), strings.Join(words, ", "))
	}, t.page)
	switch {
	case err != nil:
	case n == 0:
		p.note("No order needs a person.")
	default:
		p.note("See fulfil help orders resolve.")
	}
	return err
}
