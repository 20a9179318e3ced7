package reservationtest

import (
	"context"
	"errors"

	"github.com/gofulfil/fulfil/store/memstore"
)

var brokenForgets = []broken{
	{"a forgotten sale gives its stock back", "Forget/forgets sold and released holds", "the stock must stay", func(v *variant) {
		v.forget = func(ctx context.Context, tx tx, ids ...string) error {
			err := v.Reserver.Forget(ctx, tx, ids...)
			if len(ids) == 1 {
				err = errors.Join(err, v.Adjust(ctx, tx, "tee", 2))
			}
			return err
		}
	}},
	{"all that has ended is forgotten", "Forget/forgets sold and released holds", "not named", func(v *variant) {
		v.forget = func(ctx context.Context, tx tx, ids ...string) error {
			return v.Reserver.Forget(ctx, tx, "h1", "h2")
		}
	}},
	{"Forget does nothing", "Forget/forgets sold and released holds", "unknown", func(v *variant) {
		v.forget = func(context.Context, tx, ...string) error { return nil }
	}},
	{"holds that stand are forgotten", "Forget/leaves holds that stand", "a hold that stands must not be forgotten", func(v *variant) {
		v.forget = func(ctx context.Context, tx tx, ids ...string) error {
			_, err := v.Reserver.Release(ctx, tx, ids...)
			return errors.Join(err, v.Reserver.Forget(ctx, tx, ids...))
		}
	}},
	{"the ID stays taken until the commit", "Forget/frees the ID", "in the same transaction", func(v *variant) {
		v.inTx = func(ctx context.Context, fn func(tx) error) error {
			var later []string
			v.forget = func(_ context.Context, _ tx, ids ...string) error {
				later = append(later, ids...)
				return nil
			}
			return v.st.InTx(ctx, func(tx *memstore.Tx) error {
				return errors.Join(fn(tx), v.Reserver.Forget(ctx, tx, later...))
			})
		}
	}},
	{"Forget commits at once", "Forget/is rolled back with its transaction", "forgets nothing", func(v *variant) {
		v.forget = func(ctx context.Context, _ tx, ids ...string) error {
			return v.st.InTx(ctx, func(tx *memstore.Tx) error { return v.Reserver.Forget(ctx, tx, ids...) })
		}
	}},
	{"a statement has 999 parameters to forget by", "Forget/many at once", "too many parameters", func(v *variant) {
		v.forget = func(ctx context.Context, tx tx, ids ...string) error {
			if len(ids) > 999 {
				return errors.New("too many parameters")
			}
			return v.Reserver.Forget(ctx, tx, ids...)
		}
	}},
}
