package reservationtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/reservation"
)

func raceChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "concurrent holds never oversell", fn: (*kit[Tx]).raceOversell},
		{name: "concurrent holds in clashing sequences do not stop each other", fn: (*kit[Tx]).raceClash},
		{name: "a hold waits for another of the same stock, which may roll back", fn: (*kit[Tx]).raceRollback},
		{name: "concurrent holds of one ID hold once", fn: (*kit[Tx]).raceRepeated},
		{name: "of a concurrent commit and release one wins", fn: (*kit[Tx]).raceEnds},
		{name: "stock is neither made nor lost under load", fn: (*kit[Tx]).raceConserved},
	}
}

// try runs a call with one item in a transaction of its own and returns the item's answer: nil or a refusal.
func (k *kit[Tx]) try(c call[Tx]) (refusal, err error) {
	err = k.InTx(k.ctx, func(tx Tx) error {
		suite.Yield()
		answers, err := c(tx)
		suite.Yield()
		if err != nil {
			return err
		}
		if len(answers) != 1 {
			return fmt.Errorf("there must be one answer; there are %d", len(answers))
		}
		refusal = answers[0]
		return nil
	})
	return refusal, err
}

func (k *kit[Tx]) raceOversell() {
	const buyers, goods = 32, 10
	k.set("tee", goods)
	var got atomic.Int64
	k.race(buyers, func(i int) error {
		refusal, err := k.try(k.hold(hold(fmt.Sprint("h", i), "tee", 1)))
		var short *reservation.ShortageError
		switch {
		case err != nil:
			return err
		case refusal == nil:
			got.Add(1)
		case !errors.As(refusal, &short):
			return fmt.Errorf("a hold of sold-out stock must answer a shortage; it answered: %w", refusal)
		}
		return nil
	})
	if got.Load() != goods {
		k.Errorf("%d buyers wanted one each of %d goods: exactly %d must get it, and %d got it", buyers, goods, goods, got.Load())
	}
	k.stock("after more buyers than goods", "tee", goods, goods, 0)
}

func (k *kit[Tx]) raceClash() {
	skus := []string{"a", "b", "c", "d", "e"}
	const callers, rounds = 6, 10
	for _, sku := range skus {
		k.set(sku, callers*rounds)
	}
	k.race(callers, func(i int) error {
		random := rand.New(rand.NewPCG(2, uint64(i)))
		for round := range rounds {
			id := fmt.Sprintf("h-%d-%d", i, round)
			h := hold(id, "a", 1, "b", 1, "c", 1, "d", 1, "e", 1)
			random.Shuffle(len(h.Lines), func(i, j int) { h.Lines[i], h.Lines[j] = h.Lines[j], h.Lines[i] })
			for _, c := range []call[Tx]{k.hold(h), k.commit(id)} {
				refusal, err := k.try(c)
				if refusal != nil || err != nil {
					return fmt.Errorf("carts with the same SKUs in clashing sequences must not stop each other: "+
						"lock SKUs in one fixed sequence: %w", errors.Join(refusal, err))
				}
			}
		}
		return nil
	})
	for _, sku := range skus {
		k.stock("after every cart was sold", sku, 0, 0, callers*rounds)
	}
}

func (k *kit[Tx]) raceRollback() {
	k.set("tee", 1)
	no := errors.New("no")
	result := make(chan error, 1)
	began := false // InTx may run its function again
	err := k.InTx(k.ctx, func(tx Tx) error {
		if err := answersIn(tx, "the first hold", k.hold(hold("h1", "tee", 1)), nil); err != nil {
			return err
		}
		if !began {
			began = true
			go func() {
				refusal, err := k.try(k.hold(hold("h2", "tee", 1)))
				if err == nil && refusal != nil {
					err = fmt.Errorf("a hold must wait for a transaction that has the last of its stock, and get the stock after a rollback; it answered: %w", refusal)
				}
				result <- err
			}()
		}
		for range 100 {
			suite.Yield()
		}
		return no
	})
	if !began || !errors.Is(err, no) {
		k.Fatalf("a transaction that must roll back ended with: %v", err)
	}
	if err := <-result; err != nil {
		k.Errorf("%v", err)
	}
	k.stock("after one hold was rolled back and the other stands", "tee", 1, 1, 0)
}

func (k *kit[Tx]) raceRepeated() {
	const rounds = 5
	k.set("tee", 100)
	for round := range rounds {
		id := fmt.Sprint("h", round)
		k.race(8, func(int) error {
			refusal, err := k.try(k.hold(hold(id, "tee", 2)))
			return errors.Join(refusal, err)
		})
		k.stock("concurrent calls with one hold must hold once", "tee", 100, 2, 0)
		k.race(8, func(int) error {
			refusal, err := k.try(k.release(id))
			return errors.Join(refusal, err)
		})
		k.stock("concurrent releases of one hold must give back once", "tee", 100, 0, 0)
	}
}

func (k *kit[Tx]) raceEnds() {
	const rounds = 10
	k.set("tee", rounds)
	var sold int64
	for round := range rounds {
		id := fmt.Sprint("h", round)
		k.answers("a new hold", k.hold(hold(id, "tee", 1)), nil)
		var answers [4]error
		k.race(len(answers), func(i int) (err error) {
			if i%2 == 0 {
				answers[i], err = k.try(k.commit(id))
			} else {
				answers[i], err = k.try(k.release(id))
			}
			return err
		})
		committed, released := answers[0] == nil && answers[2] == nil, answers[1] == nil && answers[3] == nil
		ended := slices.IndexFunc(answers[:], func(err error) bool { return err != nil && !errors.Is(err, reservation.ErrNotHeld) })
		if committed == released || ended >= 0 || (answers[0] == nil) != committed || (answers[1] == nil) != released {
			k.Fatalf("of concurrent commits and releases of one hold one kind must win, and the other must answer ErrNotHeld; "+
				"the commits answered <%v> and <%v>, the releases <%v> and <%v>", answers[0], answers[2], answers[1], answers[3])
		}
		if committed {
			sold++
		}
	}
	k.stock("after concurrent commits and releases", "tee", rounds-sold, 0, sold)
}

// raceConserved runs a random load with a fixed seed and counts the stock that callers hold and sell.
func (k *kit[Tx]) raceConserved() {
	skus := []string{"a", "b", "c"}
	const callers, rounds, goods = 6, 40, 25
	for _, sku := range skus {
		k.set(sku, goods)
	}
	var held, sold [3]atomic.Int64
	k.race(callers, func(i int) error {
		random := rand.New(rand.NewPCG(3, uint64(i)))
		type mine struct {
			id string
			q  [3]int
		}
		var open []mine
		for round := range rounds {
			if len(open) == 0 || random.IntN(2) == 0 {
				m := mine{id: fmt.Sprintf("h-%d-%d", i, round)}
				h := reservation.Hold{ID: m.id}
				for range 1 + random.IntN(3) {
					s, q := random.IntN(len(skus)), 1+random.IntN(2)
					m.q[s] += q
					h.Lines = append(h.Lines, reservation.Line{SKU: skus[s], Quantity: int64(q)})
				}
				refusal, err := k.try(k.hold(h))
				if err != nil {
					return err
				}
				if refusal == nil {
					open = append(open, m)
					for s := range skus {
						held[s].Add(int64(m.q[s]))
					}
				}
				continue
			}
			m := open[0]
			open = open[1:]
			c, to := k.release(m.id), (*[3]atomic.Int64)(nil)
			if random.IntN(3) == 0 {
				c, to = k.commit(m.id), &sold
			}
			for range 1 + random.IntN(2) { // some repeated
				refusal, err := k.try(c)
				if refusal != nil || err != nil {
					return fmt.Errorf("the end of hold %s, which stands: %w", m.id, errors.Join(refusal, err))
				}
			}
			for s := range skus {
				held[s].Add(-int64(m.q[s]))
				if to != nil {
					to[s].Add(int64(m.q[s]))
				}
			}
		}
		return nil
	})
	for s, sku := range skus {
		k.stock("stock must be neither made nor lost: on hand plus sold is the first stock, and held is the sum of the callers' holds",
			sku, goods-sold[s].Load(), held[s].Load(), sold[s].Load())
	}
}
