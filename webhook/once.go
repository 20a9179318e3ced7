package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// OnceStore remembers for [Once] which events were handled. Every store of this module implements it. Tx is the store's type
// of transaction.
type OnceStore[Tx any] interface {
	// InTx runs fn in a transaction. It commits if fn returns nil, and rolls back if fn returns an error or panics. After a
	// conflict with another transaction it may run fn again in a new one.
	InTx(ctx context.Context, fn func(tx Tx) error) error
	// Claim claims each of the keys as part of tx. It reports for each key whether this is its first claim. If tx rolls
	// back, its keys are free again.
	Claim(ctx context.Context, tx Tx, now time.Time, keys ...string) (first []bool, err error)
}

// OnceFunc is a handler that runs once per event. [Once] makes it, for [On] and [Fallback].
type OnceFunc[T any] struct {
	name string
	run  func(ctx context.Context, d *delivery) (duplicate bool, err error)
}

// Once makes a handler whose writes happen once per event, however often Stripe delivers the event.
//
// fn runs in a transaction of st that has claimed the name together with the event's Key, which both forms of an event share. The writes of fn through tx commit
// together with the claim, or not at all. If fn fails, the claim is rolled back and the next delivery runs fn again. If the
// claim was taken before, the delivery is a duplicate: it is acknowledged and fn does not run. After a conflict, st may run
// fn again with a newly decoded event, so effects of fn outside of tx can happen more than once. The object of a thin event is
// fetched before the transaction begins, also for a duplicate; a [Ref] avoids that.
//
// The name tells the handlers of the same event apart. It must stay the same from one deployment to the next, it has at most
// 64 bytes, and no two Once of one [Handler] may share it. Once panics if the name is empty or too long, or if st or fn is
// nil.
//
// A claim lasts as long as the store keeps it. A checkout.Flow on the same store frees claims after 45 days, when Stripe no
// longer delivers the event. Without a Flow, call the store's Prune from a cron job. An event that is dispatched after its
// claim was freed runs fn again.
func Once[Tx, T any](name string, st OnceStore[Tx], fn func(ctx context.Context, tx Tx, e *Event[T]) error) OnceFunc[T] {
	switch {
	case name == "":
		panic("webhook: Once without a name")
	case len(name) > 64:
		panic(fmt.Sprintf("webhook: Once name %q is longer than 64 bytes", name))
	case st == nil:
		panic(fmt.Sprintf("webhook: Once %q has no store", name))
	case fn == nil:
		panic(fmt.Sprintf("webhook: Once %q has no handler", name))
	}
	run := func(ctx context.Context, d *delivery) (duplicate bool, err error) {
		// The object of a thin event is fetched first, so that no transaction waits for Stripe.
		if err := prepare[T](ctx, d); err != nil {
			return false, err
		}
		err = st.InTx(ctx, func(tx Tx) error {
			first, err := st.Claim(ctx, tx, d.now, "once/"+name+"/"+d.event.Key)
			if err != nil {
				return err
			}
			if len(first) != 1 {
				return errors.New("webhook: the store's Claim did not answer for one key")
			}
			duplicate = !first[0]
			if duplicate {
				return nil
			}
			e, err := decode[T](d)
			if err != nil {
				return err
			}
			return fn(ctx, tx, e)
		})
		return duplicate, err
	}
	return OnceFunc[T]{name: name, run: run}
}
