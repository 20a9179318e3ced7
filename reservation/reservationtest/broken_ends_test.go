package reservationtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/reservation"
)

// ends returns method with its answer for each hold, and its effect, changed by after.
func (v *variant) ends(
	method func(ctx context.Context, tx tx, ids ...string) ([]error, error),
	after func(ctx context.Context, tx tx, id string, answer error) (error, error),
) func(ctx context.Context, tx tx, ids ...string) ([]error, error) {
	return func(ctx context.Context, tx tx, ids ...string) ([]error, error) {
		answers, err := method(ctx, tx, ids...)
		for i, id := range ids {
			if err != nil {
				return nil, err
			}
			answers[i], err = after(ctx, tx, id, answers[i])
		}
		return answers, err
	}
}

var brokenEnds = []broken{
	{"goods sold stay on hand", "Commit/sells held stock", "no longer on hand", func(v *variant) {
		v.commit = v.ends(v.Reserver.Commit, func(ctx context.Context, tx tx, id string, answer error) (error, error) {
			return answer, v.edit(ctx, tx, id, func(s *reservation.Stock, q int64) { s.OnHand += q })
		})
	}},
	{"a commit that is repeated sells twice", "Commit/repeated sells once", "must sell once", func(v *variant) {
		sold := map[string]bool{}
		v.commit = v.ends(v.Reserver.Commit, func(ctx context.Context, tx tx, id string, answer error) (error, error) {
			if sold[id] {
				return answer, v.edit(ctx, tx, id, func(s *reservation.Stock, q int64) { s.OnHand, s.Sold = s.OnHand-q, s.Sold+q })
			}
			sold[id] = true
			return answer, nil
		})
	}},
	{"a repeated commit is refused", "Commit/repeated sells once", "a commit that is repeated", func(v *variant) {
		sold := map[string]bool{}
		v.commit = v.ends(v.Reserver.Commit, func(_ context.Context, _ tx, id string, answer error) (error, error) {
			if sold[id] {
				return reservation.ErrNotHeld, nil
			}
			sold[id] = true
			return answer, nil
		})
	}},
	{"a released hold is sold", "Commit/is refused after a release", "must be refused", func(v *variant) {
		v.commit = v.ends(v.Reserver.Commit, func(ctx context.Context, tx tx, id string, answer error) (error, error) {
			return nil, v.edit(ctx, tx, id, func(s *reservation.Stock, q int64) { s.OnHand, s.Sold = s.OnHand-q, s.Sold+q })
		})
	}},
	{"a release gives nothing back", "Release/gives held stock back", "available again", func(v *variant) {
		v.release = v.ends(v.Reserver.Release, func(ctx context.Context, tx tx, id string, answer error) (error, error) {
			return answer, v.edit(ctx, tx, id, func(s *reservation.Stock, q int64) { s.Held += q })
		})
	}},
	{"a release that is repeated gives stock twice", "Release/repeated gives back once", "must give back once", func(v *variant) {
		back := map[string]bool{}
		v.release = v.ends(v.Reserver.Release, func(ctx context.Context, tx tx, id string, answer error) (error, error) {
			if back[id] {
				return answer, v.edit(ctx, tx, id, func(s *reservation.Stock, q int64) { s.Held -= q })
			}
			back[id] = true
			return answer, nil
		})
	}},
	{"a sold hold is released", "Release/is refused after a commit", "must be refused", func(v *variant) {
		v.release = v.ends(v.Reserver.Release, func(ctx context.Context, tx tx, id string, answer error) (error, error) {
			return nil, v.edit(ctx, tx, id, func(s *reservation.Stock, q int64) { s.OnHand, s.Sold = s.OnHand+q, s.Sold-q })
		})
	}},
	{"unknown holds are ignored", "Commit and Release/answer for each", "each has its answer", func(v *variant) {
		v.commit = v.ends(v.Reserver.Commit, func(context.Context, tx, string, error) (error, error) { return nil, nil })
	}},
	{"unknown holds have no answer", "Commit and Release/answer for each", "one answer for each, 5; there are", func(v *variant) {
		v.release = func(ctx context.Context, tx tx, ids ...string) (known []error, err error) {
			answers, err := v.Reserver.Release(ctx, tx, ids...)
			for _, refusal := range answers {
				if refusal == nil {
					known = append(known, nil)
				}
			}
			return known, err
		}
	}},
}

var brokenRaces = []broken{
	{"stock is read before its lock", "concurrent holds never oversell", "exactly 10 must get it", func(v *variant) {
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			s := v.committed(holds[0].Lines[0].SKU)
			if s.Available() < 1 {
				return []error{short(holds[0].ID, s.SKU, 1, 0)}, nil
			}
			suite.Yield()
			s.Held++
			return []error{nil}, tx.Set(ctx, "fulfil_stock/"+s.SKU, s)
		}
	}},
	{"SKUs are locked in the sequence given", "concurrent holds in clashing sequences do not stop each other", "must not stop each other", func(v *variant) {
		noRetry(v)
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			for _, l := range holds[0].Lines {
				if err := tx.Lock(ctx, "fulfil_stock/"+l.SKU); err != nil {
					return nil, err
				}
				suite.Yield()
			}
			return v.Reserver.Hold(ctx, tx, holds...)
		}
	}},
	{"stock is counted outside of the transaction", "a hold waits for another of the same stock, which may roll back", "get the stock after a rollback", func(v *variant) {
		var taken atomic.Int64
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			if taken.Add(1) > 1 {
				return []error{short(holds[0].ID, "tee", 1, 0)}, nil
			}
			return v.Reserver.Hold(ctx, tx, holds...)
		}
	}},
	{"a hold looks whether it stands before it has the lock", "concurrent holds of one ID hold once", "must hold once", func(v *variant) {
		var n atomic.Int64
		var first sync.Map
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			if _, ok := v.st.Get("seen/" + holds[0].ID); ok {
				return []error{nil}, nil
			}
			suite.Yield()
			if err := tx.Set(ctx, "seen/"+holds[0].ID, true); err != nil {
				return nil, err
			}
			if _, again := first.LoadOrStore(holds[0].ID, true); again {
				holds[0].ID += fmt.Sprint("#", n.Add(1))
			}
			return v.Reserver.Hold(ctx, tx, holds...)
		}
	}},
	{"an end looks how the hold has ended before it has the lock", "of a concurrent commit and release one wins", "one kind must win", func(v *variant) {
		end := func(kind string) func(ctx context.Context, tx tx, ids ...string) ([]error, error) {
			return func(ctx context.Context, tx tx, ids ...string) ([]error, error) {
				ended, ok := v.st.Get("ended/" + ids[0])
				if ok && ended != kind {
					return []error{reservation.ErrNotHeld}, nil
				}
				suite.Yield()
				return []error{nil}, tx.Set(ctx, "ended/"+ids[0], kind)
			}
		}
		v.commit, v.release = end("sold"), end("back")
	}},
	{"stock that was read before the lock is written", "stock is neither made nor lost under load", "neither made nor lost", func(v *variant) {
		v.release = func(ctx context.Context, tx tx, ids ...string) ([]error, error) {
			lines, _ := v.lines.Load(ids[0])
			before := v.committed(lines.([]reservation.Line)[0].SKU)
			suite.Yield()
			answers, err := v.Reserver.Release(ctx, tx, ids...)
			err = errors.Join(err, v.edit(ctx, tx, ids[0], func(s *reservation.Stock, q int64) {
				if s.SKU == before.SKU {
					s.Held = max(before.Held-q, 0)
				}
			}))
			return answers, err
		}
	}},
}

var brokenAdmin = []broken{
	{"Set records available stock", "Set/records stock with held units and without sold ones", "set while some are held", func(v *variant) {
		v.set = func(ctx context.Context, tx tx, sku string, onHand int64) error {
			return v.Reserver.Set(ctx, tx, sku, onHand+v.committed(sku).Held)
		}
	}},
	{"Set stops at the held quantity", "Set/refuses impossible stock", "stock below the held quantity", func(v *variant) {
		v.set = func(ctx context.Context, tx tx, sku string, onHand int64) error {
			return v.Reserver.Set(ctx, tx, sku, max(onHand, v.committed(sku).Held))
		}
	}},
	{"SetNew sets at every start", "SetNew/sets only stock that was never set", "SetNew at the next start changes nothing", func(v *variant) {
		v.setNew = func(ctx context.Context, tx tx, sku string, onHand int64) error {
			return v.Reserver.Set(ctx, tx, sku, onHand)
		}
	}},
	{"SetNew sets sold-out stock", "SetNew/sets only stock that was never set", "SetNew of a sold-out SKU changes nothing", func(v *variant) {
		v.setNew = func(ctx context.Context, tx tx, sku string, onHand int64) error {
			if onHand >= 0 && v.committed(sku).OnHand == 0 {
				return v.Reserver.Set(ctx, tx, sku, onHand)
			}
			return v.Reserver.SetNew(ctx, tx, sku, onHand)
		}
	}},
	{"unknown SKUs have no answer", "Stock/answers for each SKU, or for all", "must answer in the sequence given", func(v *variant) {
		v.stock = func(ctx context.Context, tx tx, skus ...string) (known []reservation.Stock, err error) {
			all, err := v.Reserver.Stock(ctx, tx, skus...)
			for _, s := range all {
				if s.OnHand > 0 {
					known = append(known, s)
				}
			}
			return known, err
		}
	}},
	{"all stock is sorted without regard to case", "Stock/answers for each SKU, or for all", "for all, sorted by SKU", func(v *variant) {
		v.stock = func(ctx context.Context, tx tx, skus ...string) ([]reservation.Stock, error) {
			all, err := v.Reserver.Stock(ctx, tx, skus...)
			if len(skus) == 0 && len(all) > 1 && strings.EqualFold(all[0].SKU, all[1].SKU) {
				all[0], all[1] = all[1], all[0]
			}
			return all, err
		}
	}},
	{"an adjustment stops at the held quantity", "Adjust/adds and takes away", "an adjustment below the held quantity", func(v *variant) {
		v.adjust = func(ctx context.Context, tx tx, sku string, delta int64) error {
			if err := v.Reserver.Adjust(ctx, tx, sku, delta); !errors.Is(err, reservation.ErrBelowHeld) {
				return err
			}
			return nil
		}
	}},
	{"an adjustment reads the stock before it has the lock", "Adjust/loses nothing under concurrency", "must all count", func(v *variant) {
		v.adjust = func(ctx context.Context, tx tx, sku string, delta int64) error {
			return v.Reserver.Set(ctx, tx, sku, v.committed(sku).OnHand+delta)
		}
	}},
	{"every page is the first", "Holds/lists the holds that stand", "the second page", func(v *variant) {
		v.holds = func(ctx context.Context, tx tx, _ string, limit int) ([]reservation.Hold, error) {
			return v.Reserver.Holds(ctx, tx, "", limit)
		}
	}},
	{"ended holds are listed", "Holds/lists the holds that stand", "Holds(", func(v *variant) {
		var every sync.Map
		v.hold = func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
			for _, h := range holds {
				every.Store(h.ID, h)
			}
			return v.Reserver.Hold(ctx, tx, holds...)
		}
		v.holds = func(_ context.Context, _ tx, after string, limit int) (all []reservation.Hold, err error) {
			every.Range(func(id, h any) bool {
				if id.(string) > after && len(all) < limit {
					all = append(all, h.(reservation.Hold))
				}
				return true
			})
			return all, nil
		}
	}},
}
