package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// OnceStore is what [Once] needs to remember which events were handled; every store of this module has it. Tx is the
// store's own transaction.
type OnceStore[Tx any] interface {
	// InTx runs fn in a transaction that is committed if fn returns nil and rolled back if it returns an error or
	// panics. It may run fn again, in a new transaction, after a conflict with another one.
	InTx(ctx context.Context, fn func(tx Tx) error) error
	// Claim takes each of keys as part of tx and reports which of them nobody had taken before. A key that was taken
	// in a transaction that rolled back is free again.
	Claim(ctx context.Context, tx Tx, now time.Time, keys ...string) (first []bool, err error)
}

// OnceFunc is a handler that runs once per event, made by [Once] for [On] and [Fallback].
type OnceFunc[T any] struct {
	name string
	run  func(ctx context.Context, d *delivery) (duplicate bool, err error)
}

// Once makes a handler whose effects happen once per event, however often Stripe delivers it. fn runs in a transaction
// of st in which name and the event's ID have been claimed: what it writes through tx is committed together with the
// claim, or not at all. If fn fails nothing stays claimed and the next delivery tries again; if the claim was taken
// the delivery is a duplicate and is acknowledged without running fn. st may run fn again after a conflict, with a
// newly decoded event, so what fn does outside of tx can happen more than once.
//
// Claims are kept for as long as the store keeps them: a checkout.Flow on the same store frees those that are 45 days old,
// when Stripe can no longer send the event, and without a Flow its Prune can be called from cron. An event that is
// dispatched from elsewhere later than that runs fn again.
//
// The name tells apart handlers that see the same event, and must stay the same from one deployment to the next; no
// two Once of a [Handler] may share one. It is at most 64 bytes long. Once panics if it is blank or too long, or if st
// or fn is nil.
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
		err = st.InTx(ctx, func(tx Tx) error {
			first, err := st.Claim(ctx, tx, d.now, "once/"+name+"/"+d.event.ID)
			if err != nil {
				return err
			}
			if len(first) != 1 {
				return errors.New("webhook: the store's Claim did not answer for one key")
			}
			if duplicate = !first[0]; duplicate {
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
