package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
)

// reserver is a Reserver on a database. It counts its transactions.
type reserver struct {
	*sqlreserver.Reserver
	db      *sql.DB
	dialect sqlkit.Dialect
	runs    atomic.Int64 // more than commits, if functions were run again
	commits atomic.Int64
}

func newReserver(t testing.TB, d Database, conns int) *reserver {
	return &reserver{Reserver: sqlreserver.New(d.Dialect), db: openReserver(t, d, conns), dialect: d.Dialect}
}

func (r *reserver) inTx(fn func(tx *sql.Tx) error) error {
	err := sqlkit.SQL{DB: r.db, Dialect: r.dialect}.InTx(context.Background(), sql.LevelDefault, func(tx *sql.Tx) error {
		r.runs.Add(1)
		return fn(tx)
	})
	if err == nil {
		r.commits.Add(1)
	}
	return err
}

// answers runs a call in a transaction of its own.
func (r *reserver) answers(call func(tx *sql.Tx) ([]error, error)) (answers []error, err error) {
	err = r.inTx(func(tx *sql.Tx) error {
		answers, err = call(tx)
		return err
	})
	return answers, err
}

func (r *reserver) hold(holds ...reservation.Hold) ([]error, error) {
	return r.answers(func(tx *sql.Tx) ([]error, error) { return r.Hold(context.Background(), tx, holds...) })
}

func (r *reserver) commit(ids ...string) ([]error, error) {
	return r.answers(func(tx *sql.Tx) ([]error, error) { return r.Commit(context.Background(), tx, ids...) })
}

func (r *reserver) release(ids ...string) ([]error, error) {
	return r.answers(func(tx *sql.Tx) ([]error, error) { return r.Release(context.Background(), tx, ids...) })
}

func (r *reserver) set(t testing.TB, onHand int64, skus ...string) {
	t.Helper()
	require.NoError(t, r.inTx(func(tx *sql.Tx) error {
		for _, sku := range skus {
			if err := r.Set(context.Background(), tx, sku, onHand); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (r *reserver) stock(t testing.TB, skus ...string) (stock []reservation.Stock) {
	t.Helper()
	require.NoError(t, r.inTx(func(tx *sql.Tx) (err error) {
		stock, err = r.Stock(context.Background(), tx, skus...)
		return err
	}))
	return stock
}

func holdOf(id string, quantity int64, skus ...string) reservation.Hold {
	h := reservation.Hold{ID: id}
	for _, sku := range skus {
		h.Lines = append(h.Lines, reservation.Line{SKU: sku, Quantity: quantity})
	}
	return h
}

// tally counts, for each SKU, what callers have held and bought.
type tally struct{ held, sold []atomic.Int64 }

// TestSQLReserverLoad lets 64 buyers hold one SKU, or carts of five SKUs in clashing sequences, with one or more holds in a
// call. They pay, release or keep their holds. The stock must equal the sum of what they were granted, and never exceed the
// first stock.
func TestSQLReserverLoad(t *testing.T) {
	const buyers, rounds, goods = 64, 5, 150
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		for name, skus := range map[string][]string{"one SKU": {"hot"}, "clashing carts": {"a", "b", "c", "d", "e"}} {
			for _, conns := range []int{4, 16} {
				t.Run(fmt.Sprintf("%s, pool of %d", name, conns), func(t *testing.T) {
					r := newReserver(t, d, conns)
					r.set(t, goods, skus...)
					told := tally{make([]atomic.Int64, len(skus)), make([]atomic.Int64, len(skus))}
					load(t, r, skus, buyers, rounds, &told)
					for i, s := range r.stock(t, skus...) {
						require.EqualValues(t, goods, s.OnHand+s.Sold, "goods were made or lost: %+v", s)
						require.EqualValues(t, told.held[i].Load(), s.Held, "held is not the sum of the buyers' holds: %+v", s)
						require.EqualValues(t, told.sold[i].Load(), s.Sold, "sold is not the sum of the buyers' commits: %+v", s)
						require.GreaterOrEqual(t, s.Available(), int64(0))
					}
					again := r.runs.Load() - r.commits.Load()
					t.Logf("%d transactions, %d run again", r.commits.Load(), again)
					require.Zero(t, again, "transactions deadlocked, so locks are not taken in one fixed sequence")
				})
			}
		}
	})
}

func load(t *testing.T, r *reserver, skus []string, buyers, rounds int, told *tally) {
	var wg sync.WaitGroup
	errs := make([]error, buyers)
	for i := range buyers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(i)))
			for round := range rounds {
				errs[i] = buy(r, skus, random, fmt.Sprintf("order-%d-%d", i, round), told)
				if errs[i] != nil {
					return
				}
			}
		})
	}
	// A reader sees no goods made or lost meanwhile.
	var first []reservation.Stock
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for looking := true; looking; {
		select {
		case <-done:
			looking = false
		default:
		}
		stock := r.stock(t, skus...)
		if first == nil {
			first = stock
		}
		for i, s := range stock {
			require.Equal(t, first[i].OnHand+first[i].Sold, s.OnHand+s.Sold, "goods were made or lost: %+v", s)
			require.True(t, s.Held >= 0 && s.Sold >= first[i].Sold && s.Available() >= 0, "%+v", s)
		}
	}
	<-done
	require.NoError(t, errors.Join(errs...))
}

// buy holds up to three carts of shuffled SKUs in one call, and then sells or releases the granted ones, or keeps them held.
func buy(r *reserver, skus []string, random *rand.Rand, id string, told *tally) error {
	var holds []reservation.Hold
	var ids []string
	for n := range 1 + random.IntN(3) {
		h := holdOf(fmt.Sprintf("%s/%d", id, n), 1+random.Int64N(2), skus...)
		random.Shuffle(len(h.Lines), func(i, j int) { h.Lines[i], h.Lines[j] = h.Lines[j], h.Lines[i] })
		h.Lines = h.Lines[:1+random.IntN(len(h.Lines))]
		holds = append(holds, h)
	}
	random.Shuffle(len(holds), func(i, j int) { holds[i], holds[j] = holds[j], holds[i] })
	answers, err := r.hold(holds...)
	if err != nil {
		return err
	}
	count := func(h reservation.Hold, to []atomic.Int64, sign int64) {
		for _, l := range h.Lines {
			for i, sku := range skus {
				if sku == l.SKU {
					to[i].Add(sign * l.Quantity)
				}
			}
		}
	}
	var got []reservation.Hold
	var short *reservation.ShortageError
	for i, refusal := range answers {
		if refusal == nil {
			got = append(got, holds[i])
			ids = append(ids, holds[i].ID)
			count(holds[i], told.held, 1)
		} else if !errors.As(refusal, &short) {
			return refusal
		}
	}
	end, to := r.commit, told.sold
	switch random.IntN(4) {
	case 0:
		return nil
	case 1, 2:
		end, to = r.release, nil
	}
	answers, err = end(ids...)
	if err := errors.Join(append(answers, err)...); err != nil {
		return err
	}
	for _, h := range got {
		count(h, told.held, -1)
		if to != nil {
			count(h, to, 1)
		}
	}
	return nil
}

// Stock is adjusted while other callers hold, sell and release it.
func TestSQLReserverAdminUnderLoad(t *testing.T) {
	const callers, rounds, goods = 8, 20, 1000
	ctx := context.Background()
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		r := newReserver(t, d, 8)
		r.set(t, goods, "tee")
		var added atomic.Int64
		var wg sync.WaitGroup
		errs := make([]error, callers)
		for i := range callers {
			wg.Go(func() {
				for round := range rounds {
					id := fmt.Sprintf("order-%d-%d", i, round)
					answers, err := r.hold(holdOf(id, 2, "tee"))
					if err == nil && round%3 == 0 {
						answers, err = r.release(id)
					} else if err == nil {
						answers, err = r.commit(id)
					}
					errs[i] = errors.Join(append(answers, errs[i], err)...)
					delta := int64(i - 3)
					if err := r.inTx(func(tx *sql.Tx) error { return r.Adjust(ctx, tx, "tee", delta) }); err != nil {
						errs[i] = errors.Join(errs[i], err)
					}
					added.Add(delta)
				}
			})
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		sold := int64(callers * 2 * (rounds - (rounds+2)/3))
		want := reservation.Stock{SKU: "tee", OnHand: goods + added.Load() - sold, Sold: sold}
		require.Equal(t, []reservation.Stock{want}, r.stock(t))
		t.Logf("%d transactions, %d run again", r.commits.Load(), r.runs.Load()-r.commits.Load())
	})
}
