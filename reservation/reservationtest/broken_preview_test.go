package reservationtest

import (
	"context"
	"errors"

	"github.com/gofulfil/fulfil/reservation"
)

// inOneTx makes Preview hold in a transaction that is then ended with end.
func inOneTx(end error) func(v *variant) {
	return func(v *variant) {
		v.preview = func(ctx context.Context, holds ...reservation.Hold) (answers []error, err error) {
			err = v.st.InTx(ctx, func(tx tx) (err error) {
				answers, err = v.Reserver.Hold(ctx, tx, holds...)
				return errors.Join(err, end)
			})
			if errors.Is(err, end) {
				err = nil
			}
			return answers, err
		}
	}
}

var brokenPreviews = []broken{
	{"previews take from each other", "Preview/answers for each hold alone", "each hold is answered alone", inOneTx(errRolledBack)},
	{"a preview holds", "Preview/changes nothing", "the stock must be", inOneTx(nil)},
	{"a preview sees what is not committed", "Preview/reads what is committed, without waiting", "takes nothing away", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			v.preview = func(context.Context, ...reservation.Hold) ([]error, error) {
				return []error{short("h2", "tee", 1, 0)}, nil
			}
			return v.Reserver.Hold(ctx, tx, holds...)
		}
	}},
	{"Preview ignores its context", "Preview/an ended context is an error", "Preview with an ended context", func(v *variant) {
		v.preview = func(ctx context.Context, holds ...reservation.Hold) ([]error, error) {
			return v.Reserver.Preview(context.WithoutCancel(ctx), holds...)
		}
	}},
}
