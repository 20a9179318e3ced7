package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// eraseOptions say whose data is erased.
type eraseOptions struct {
	email, customer, before string
	yes                     bool
}

var eraseCommand = command{
	name: "erase", args: "[ORDER…]", short: "erase the personal data of orders",
	long: `
Erases the personal data of the orders that are named, of all orders of a customer by -email or -customer, or of all orders created
before a day by -before. Lines, amounts, payments and metadata stay, as bookkeeping needs them. What Stripe keeps stays there. It asks
for a confirmation, or -yes, and can't be undone.

-before leaves out orders whose story is not over: open, processing, stuck, disputed, paid and not handed over, or with a subscription
that goes on. The other ways erase them all the same, and an order that is not handed over loses its address. Each order is erased for
itself: an interrupted command has erased those that it printed, and the same command again erases the rest. With -json, the lines have
the member id.`,
	setup: func(p *program, flags *flag.FlagSet) action {
		var o eraseOptions
		flags.StringVar(&o.email, "email", "", "all orders of the customer with this e-mail `ADDRESS`")
		flags.StringVar(&o.customer, "customer", "", "all orders of the customer with this `ID` at Stripe (cus_…)")
		flags.StringVar(&o.before, "before", "", "all orders created before this `DAY`, like 2020-01-01")
		flags.BoolVar(&o.yes, "yes", false, "erase without a confirmation")
		return func(ctx context.Context, args []string) error {
			ways := 0
			for _, way := range []bool{len(args) > 0, o.email != "", o.customer != "", o.before != ""} {
				if way {
					ways++
				}
			}
			if ways != 1 {
				return usagef("erase takes the IDs of orders, -email, -customer or -before, and only one of them")
			}
			return p.erase(ctx, o, args)
		}
	},
}

// erased reports whether nothing is left to be erased.
func erased(o *store.Order) bool { return !o.ErasedAt.IsZero() && o.ErasedAttempts == len(o.Attempts) }

// over reports whether nothing that needs the customer's data is to happen to the order.
func over(o *store.Order) bool {
	status := o.Status()
	return status != store.Open && status != store.Processing && !o.Fulfillable() && !o.Stuck() &&
		!slices.ContainsFunc(o.Disputes, func(d store.Dispute) bool { return d.State == store.DisputeOpen }) &&
		!slices.ContainsFunc(o.Subscriptions, func(s store.Subscription) bool { return !s.Ended() })
}

func (p *program) erase(ctx context.Context, e eraseOptions, ids []string) error {
	q := store.Query{Email: e.email, CustomerID: e.customer}
	keep := func(o *store.Order) bool { return !erased(o) }
	if e.before != "" {
		var err error
		if q.CreatedTo, err = parseTime("-before", e.before); err != nil {
			return err
		}
		keep = func(o *store.Order) bool { return !erased(o) && over(o) }
	}
	s, err := p.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	each := func(fn func(*store.Order) error) error {
		_, err := s.each(ctx, q, 0, keep, fn, func() error { return nil })
		return err
	}
	if len(ids) > 0 {
		each = func(fn func(*store.Order) error) error { return s.named(ctx, ids, keep, fn) }
	}
	return p.eraseEach(ctx, s, e.yes, each)
}

// named calls fn with the orders of these IDs.
func (s *shop) named(ctx context.Context, ids []string, keep func(*store.Order) bool, fn func(*store.Order) error) error {
	for _, id := range ids {
		o, err := s.flow.Order(ctx, id)
		if errors.Is(err, checkout.ErrNotFound) {
			return usagef("there is no order %q", id)
		}
		if err != nil {
			return err
		}
		if !keep(o) {
			continue
		}
		if err := fn(o); err != nil {
			return err
		}
	}
	return nil
}

// eraseEach counts the orders, has the number confirmed, and erases them one by one.
func (p *program) eraseEach(ctx context.Context, s *shop, yes bool, each func(fn func(*store.Order) error) error) error {
	all, waiting := 0, 0
	err := each(func(o *store.Order) error {
		all++
		if o.Fulfillable() {
			waiting++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if all == 0 {
		p.note("There is nothing to erase.")
		return nil
	}
	question := "The personal data of " + count(all, "order", "orders") + " is erased for good."
	if waiting > 0 {
		question += fmt.Sprintf(" %d of them wait to be handed over, and lose their address.", waiting)
	}
	if err := p.confirm(ctx, yes, strconv.Itoa(all), "%s", question); err != nil {
		return err
	}
	progress := p.progress("erased", all)
	err = each(func(o *store.Order) error {
		if err := s.flow.Erase(ctx, o.ID); err != nil {
			return err
		}
		progress.step(p.now())
		if p.options.json {
			return p.printJSON(struct {
				ID string `json:"id"`
			}{o.ID})
		}
		return p.say("erased %s", cell(o.ID))
	})
	if err != nil {
		return fmt.Errorf("%v; the same command erases the rest: %w", progress, err)
	}
	progress.end()
	return nil
}
