package reservationtest

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store/memstore"
)

// broken is a backend that breaks one promise, the check that must reject it, and the message that the check must give.
type broken struct {
	name, check, says string
	breakIt           func(v *variant)
}

func TestSuiteRejectsBrokenBackends(t *testing.T) {
	t.Parallel()
	all := checks[tx]()
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	var breaches []suite.Breach
	for _, b := range slices.Concat(brokenHolds, brokenEnds, brokenRaces, brokenAdmin, brokenPreviews, brokenForgets) {
		breaches = append(breaches, suite.Breach{Name: b.name, Check: b.check, Says: b.says, Watch: func(t *testing.T) []string {
			i := slices.Index(names, b.check)
			return watch(t, all[i], b.breakIt)
		}})
	}
	suite.Rejects(t, names, breaches)
}

func TestSuiteAcceptsMemreserver(t *testing.T) {
	t.Parallel()
	for _, c := range checks[tx]() {
		if said := watch(t, c, func(*variant) {}); len(said) > 0 {
			t.Errorf("%q rejects memreserver: %s", c.name, strings.Join(said, "\n"))
		}
	}
}

// A backend like SQLite, in which every transaction waits for the one before. No check may wait for a second transaction inside
// its first.
func TestSuiteAcceptsOneWriter(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) Subject[tx] {
		return newVariant(func(v *variant) {
			v.inTx = func(ctx context.Context, fn func(tx) error) error {
				return v.st.InTx(ctx, func(tx tx) error {
					if err := tx.Lock(ctx, "the writer"); err != nil {
						return err
					}
					return fn(tx)
				})
			}
		}).subject()
	})
}

var brokenHolds = []broken{
	{"held stock is not counted", "Hold/sets stock aside", "after a hold: the stock must be", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			answers, err := v.Reserver.Hold(ctx, tx, holds...)
			return answers, errors.Join(err, v.edit(ctx, tx, holds[0].ID, func(s *reservation.Stock, q int64) { s.Held -= q }))
		}
	}},
	{"half a hold is held", "Hold/is whole or not at all", "a hold that does not fit is refused whole", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			answers, err := v.Reserver.Hold(ctx, tx, holds...)
			var short *reservation.ShortageError
			if err == nil && errors.As(answers[0], &short) {
				fits := slices.DeleteFunc(slices.Clone(holds[0].Lines), func(l reservation.Line) bool {
					return slices.ContainsFunc(short.Lines, func(s reservation.Shortage) bool { return s.SKU == l.SKU })
				})
				_, err = v.Reserver.Hold(ctx, tx, reservation.Hold{ID: holds[0].ID + "'", Lines: fits})
			}
			return answers, err
		}
	}},
	{"a shortage names one SKU", "Hold/is whole or not at all", "sorted by SKU", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			answers, err := v.Reserver.Hold(ctx, tx, holds...)
			var short *reservation.ShortageError
			if errors.As(answers[0], &short) {
				short.Lines = short.Lines[:1]
			}
			return answers, err
		}
	}},
	{"only the last line of a SKU counts", "Hold/counts lines of one SKU together", "lines that fit one by one but not together", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			for i := range holds {
				var last []reservation.Line
				for _, l := range holds[i].Lines {
					last = slices.DeleteFunc(last, func(other reservation.Line) bool { return other.SKU == l.SKU })
					last = append(last, l)
				}
				holds[i].Lines = last
			}
			return v.Reserver.Hold(ctx, tx, holds...)
		}
	}},
	{"holds are taken by ascending ID", "Hold/answers for each in the sequence given", "the first of them gets it", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			sorted := slices.Clone(holds)
			slices.SortStableFunc(sorted, func(a, b reservation.Hold) int { return strings.Compare(a.ID, b.ID) })
			return v.Reserver.Hold(ctx, tx, sorted...)
		}
	}},
	{"a shortage is the error of the call", "Hold/answers for each in the sequence given", "the first of them gets it", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			answers, err := v.Reserver.Hold(ctx, tx, holds...)
			return answers, errors.Join(append(answers, err)...)
		}
	}},
	{"a hold that is repeated holds twice", "Hold/repeated holds once", "must hold nothing more", func(v *variant) {
		seen := map[string]bool{}
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			answers, err := v.Reserver.Hold(ctx, tx, holds...)
			if id := holds[0].ID; seen[id] {
				err = v.edit(ctx, tx, id, func(s *reservation.Stock, q int64) { s.Held += q })
			}
			seen[holds[0].ID] = true
			return answers, err
		}
	}},
	{"only the ID of a repeated hold is compared", "Hold/refuses another hold of the same ID", "must be refused", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			answers, err := v.Reserver.Hold(ctx, tx, holds...)
			for i := range answers {
				if errors.Is(answers[i], reservation.ErrHoldExists) {
					answers[i] = nil
				}
			}
			return answers, err
		}
	}},
	{"an unknown SKU is short", "Hold/refuses a SKU without stock", "was never set is unknown", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			answers, err := v.Reserver.Hold(ctx, tx, holds...)
			for i := range answers {
				if errors.Is(answers[i], reservation.ErrUnknownSKU) {
					answers[i] = short(holds[i].ID, holds[i].Lines[0].SKU, 1, 0)
				}
			}
			return answers, err
		}
	}},
	{"lines of less than one are dropped", "Hold/refuses malformed holds", "a hold of less than none", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			holds[0].Lines = slices.DeleteFunc(holds[0].Lines, func(l reservation.Line) bool { return l.Quantity < 0 })
			return v.Reserver.Hold(ctx, tx, holds...)
		}
	}},
	{"an ID is any bytes", "Hold/refuses malformed holds", "must be <reservation: invalid hold>", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			holds[0].ID = strings.ToValidUTF8(holds[0].ID, "?")
			return v.Reserver.Hold(ctx, tx, holds...)
		}
	}},
	{"IDs are folded", "Hold/IDs and SKUs are exact and up to 255 bytes", `hold "H" is new`, func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			holds[0].ID = strings.ToLower(holds[0].ID)
			return v.Reserver.Hold(ctx, tx, holds...)
		}
	}},
	{"SKUs are padded", "Hold/IDs and SKUs are exact and up to 255 bytes", `hold "h " is new`, func(v *variant) {
		v.set = func(ctx context.Context, tx tx, sku string, onHand int64) error {
			return v.Reserver.Set(ctx, tx, strings.TrimRight(sku, " "), onHand)
		}
	}},
	{"stock has 32 bits", "Hold/counts to 64 bits", "all there can be", func(v *variant) {
		v.set = func(ctx context.Context, tx tx, sku string, onHand int64) error {
			return v.Reserver.Set(ctx, tx, sku, min(onHand, math.MaxInt32))
		}
	}},
	{"a statement has 499 parameters", "Hold/many at once", "too many parameters", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			if len(holds) > 499 {
				return nil, errors.New("too many parameters")
			}
			return v.Reserver.Hold(ctx, tx, holds...)
		}
	}},
	{"stock is read outside of the transaction", "a transaction sees its own changes", "after holds in this transaction", func(v *variant) {
		v.stock = func(_ context.Context, _ tx, skus ...string) (all []reservation.Stock, err error) {
			for _, sku := range skus {
				all = append(all, v.committed(sku))
			}
			return all, nil
		}
	}},
	{"holds commit on their own", "a rollback undoes everything", "a rollback must undo", func(v *variant) {
		v.hold = func(ctx context.Context, _ tx, holds ...reservation.Hold) (answers []error, err error) {
			err = v.st.InTx(ctx, func(tx tx) (err error) {
				answers, err = v.Reserver.Hold(ctx, tx, holds...)
				return err
			})
			return answers, err
		}
	}},
	{"Hold ignores its context", "an ended context is the error of the call", "Hold with an ended context", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			return v.Reserver.Hold(context.WithoutCancel(ctx), tx, holds...)
		}
	}},
	{"a shortage dooms the transaction", "a refusal leaves the transaction as it is", "a transaction that must commit failed", func(v *variant) {
		var doomed error
		v.inTx = func(ctx context.Context, fn func(tx) error) error {
			doomed = nil
			return v.st.InTx(ctx, func(tx tx) error { return errors.Join(fn(tx), doomed) })
		}
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			answers, err := v.Reserver.Hold(ctx, tx, holds...)
			doomed = errors.Join(append(answers, doomed)...)
			return answers, err
		}
	}},
}

// noRetry runs the function of a transaction once.
func noRetry(v *variant) {
	v.inTx = func(ctx context.Context, fn func(tx) error) error {
		runs := 0
		return v.st.InTx(ctx, func(tx tx) error {
			runs++
			if runs > 1 {
				return memstore.ErrDeadlock
			}
			return fn(tx)
		})
	}
}
