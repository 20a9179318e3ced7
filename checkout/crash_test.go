package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/sampling"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

var errDead = errors.New("the process is dead")

// mortal counts what a process does to the world outside it, and dies at one of these steps: before it has an effect or
// after. From then on nothing that the process does has an effect.
type mortal struct {
	diesAt     int
	afterwards bool

	mu    sync.Mutex
	steps int
	gone  bool
}

func (m *mortal) dead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gone
}

// next counts a step. It reports whether the process lives through it, and if not, whether this is the step it dies at.
func (m *mortal) next() (lives, last bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return false, false
	}
	m.steps++
	m.gone = m.steps == m.diesAt
	return !m.gone, m.gone
}

// step runs do, if the process lives to do it.
func (m *mortal) step(do func() error) error {
	lives, last := m.next()
	if lives {
		return do()
	}
	if last && m.afterwards {
		_ = do()
	}
	return errDead
}

// mortalStore is the Store as a mortal process reaches it. The commit of a transaction is a step, and a transaction in
// which the process dies earlier is never committed.
type mortalStore struct {
	store.Store[tx]
	m *mortal
}

func (s mortalStore) InTx(ctx context.Context, fn func(tx) error) error {
	err := s.Store.InTx(ctx, func(t tx) error {
		if err := fn(t); err != nil {
			return err
		}
		if lives, last := s.m.next(); lives || last && s.m.afterwards {
			return nil
		}
		return errDead
	})
	if s.m.dead() {
		return errDead
	}
	return err
}

func (s mortalStore) Insert(ctx context.Context, t tx, orders ...*store.Order) (inserted []bool, err error) {
	err = s.m.step(func() (err error) { inserted, err = s.Store.Insert(ctx, t, orders...); return err })
	return inserted, err
}

func (s mortalStore) Lock(ctx context.Context, t tx, ids ...string) (orders []*store.Order, err error) {
	err = s.m.step(func() (err error) { orders, err = s.Store.Lock(ctx, t, ids...); return err })
	return orders, err
}

func (s mortalStore) Save(ctx context.Context, t tx, orders ...*store.Order) error {
	return s.m.step(func() error { return s.Store.Save(ctx, t, orders...) })
}

func (s mortalStore) Find(ctx context.Context, id string) (o *store.Order, err error) {
	err = s.m.step(func() (err error) { o, err = s.Store.Find(ctx, id); return err })
	return o, err
}

func (s mortalStore) FindRef(ctx context.Context, ref string) (o *store.Order, err error) {
	err = s.m.step(func() (err error) { o, err = s.Store.FindRef(ctx, ref); return err })
	return o, err
}

func (s mortalStore) Due(ctx context.Context, now time.Time, lease time.Duration, limit int) (ids []string, err error) {
	err = s.m.step(func() (err error) { ids, err = s.Store.Due(ctx, now, lease, limit); return err })
	return ids, err
}

type mortalReserver struct {
	reservation.Reserver[tx]
	m *mortal
}

func (r mortalReserver) Hold(ctx context.Context, t tx, holds ...reservation.Hold) (answers []error, err error) {
	err = r.m.step(func() (err error) { answers, err = r.Reserver.Hold(ctx, t, holds...); return err })
	return answers, err
}

func (r mortalReserver) Commit(ctx context.Context, t tx, ids ...string) (answers []error, err error) {
	err = r.m.step(func() (err error) { answers, err = r.Reserver.Commit(ctx, t, ids...); return err })
	return answers, err
}

func (r mortalReserver) Release(ctx context.Context, t tx, ids ...string) (answers []error, err error) {
	err = r.m.step(func() (err error) { answers, err = r.Reserver.Release(ctx, t, ids...); return err })
	return answers, err
}

type mortalWire struct {
	next http.RoundTripper
	m    *mortal
}

func (w mortalWire) RoundTrip(r *http.Request) (response *http.Response, err error) {
	if err := w.m.step(func() (err error) { response, err = w.next.RoundTrip(r); return err }); err != nil {
		return nil, err
	}
	return response, nil
}

// crashStory is what happens in a shop. try does something in the shop's process and does it again in a new process if
// the first died of it.
type crashStory struct {
	run func(s *testShop, try func(func() error))
	// paid says that the customer paid, so that the order must be fulfilled.
	paid bool
	// loses has Stripe's events lost, so that only sweeping finds out.
	loses bool
}

func crashStories() map[string]crashStory {
	begin := func(s *testShop, try func(func() error), session checkout.Session) (id string) {
		try(func() error {
			started, err := s.flow.Begin(context.Background(), session)
			if err == nil {
				id = started.SessionID
			}
			return err
		})
		return id
	}
	pay := func(s *testShop, id string, method checkouttest.PaymentMethod) {
		require.NoError(s.t, s.srv.Pay(id, method))
	}
	card := func(s *testShop, try func(func() error)) {
		pay(s, begin(s, try, cartOf("order-1", "last", "tee")), checkouttest.CardOK)
	}
	return map[string]crashStory{
		"card":             {run: card, paid: true},
		"card, no webhook": {run: card, paid: true, loses: true},
		"thanks page": {paid: true, loses: true, run: func(s *testShop, try func(func() error)) {
			id := begin(s, try, cartOf("order-1", "last"))
			pay(s, id, checkouttest.CardOK)
			try(func() error { _, err := s.flow.Settle(context.Background(), id); return err })
		}},
		"changed cart": {paid: true, run: func(s *testShop, try func(func() error)) {
			begin(s, try, cartOf("order-1", "tee"))
			pay(s, begin(s, try, cartOf("order-1", "tee", "tee", "last")), checkouttest.CardOK)
		}},
		"changed cart, abandoned": {run: func(s *testShop, try func(func() error)) {
			begin(s, try, cartOf("order-1", "tee", "last"))
			begin(s, try, cartOf("order-1", "tee", "tee"))
		}},
		"debit settles": {paid: true, run: func(s *testShop, try func(func() error)) {
			id := begin(s, try, cartOf("order-1", "last"))
			pay(s, id, checkouttest.BankDebit)
			s.srv.Advance(48 * time.Hour)
			require.NoError(s.t, s.srv.Settle(id))
		}},
		"debit bounces, no webhook": {loses: true, run: func(s *testShop, try func(func() error)) {
			id := begin(s, try, cartOf("order-1", "last"))
			pay(s, id, checkouttest.BankDebit)
			s.srv.Advance(48 * time.Hour)
			require.NoError(s.t, s.srv.Bounce(id))
		}},
		"hold runs out": {run: func(s *testShop, try func(func() error)) {
			session := cartOf("order-1", "last")
			session.HoldFor = 10 * time.Minute
			begin(s, try, session)
			s.srv.Advance(11 * time.Minute)
			try(func() error { _, err := s.flow.Sweep(context.Background()); return err })
		}},
		"canceled": {run: func(s *testShop, try func(func() error)) {
			begin(s, try, cartOf("order-1", "last"))
			try(func() error { return s.flow.Cancel(context.Background(), "order-1") })
		}},
	}
}

// crashesPerStory is at how many moments TestCrashAnywhere has a process die in a story unless it tries all of them.
const crashesPerStory = 24

// A process that dies at any step, before or after the step has its effect, loses nothing: another process ends the story
// with every payment fulfilled once and every piece of stock either sold or back. The first moment is before the first step,
// and the last moment is after the last step.
func TestCrashAnywhere(t *testing.T) {
	t.Parallel()
	for name, story := range crashStories() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, died := runCrashStory(t, story, math.MaxInt, false)
			require.False(t, died)
			moments := 2 * steps
			require.Greater(t, moments, 2*crashesPerStory)
			picked := sampling.Indexes(t, crashesPerStory, moments)
			for _, moment := range picked {
				afterwards, died := moment%2 == 1, false
				// Webhooks run beside sweeps, so that a story may have fewer steps than it had last time: then the process dies at its end.
				for at, tries := 1+moment/2, 0; !died; tries++ {
					require.Less(t, tries, 10, "the process did not reach step %d", at)
					at, died = runCrashStory(t, story, at, afterwards)
				}
			}
			t.Logf("%d crashes of %d survived", len(picked), moments)
		})
	}
}

// runCrashStory tells a story in which the process dies at a step, before the step has its effect or afterwards. It returns
// how many steps the process made, and whether it died.
func runCrashStory(t *testing.T, story crashStory, at int, afterwards bool) (steps int, died bool) {
	t.Helper()
	m := &mortal{diesAt: at, afterwards: afterwards}
	crash := fmt.Sprintf("step %d, afterwards %t", at, afterwards)
	s := newShop(t)
	immortalFlow, immortalHook := s.flow, s.hook
	s.flow, s.hook = s.processOn(mortalStore{s.st, m}, mortalReserver{s.stock, m}, mortalWire{s.srv.Transport(), m})
	revive := func() {
		s.flow, s.hook = immortalFlow, immortalHook
		if !story.loses {
			s.srv.Deliver(s.hook, testPayloads())
		}
	}
	s.srv.Deliver(s.hook, testPayloads())
	if story.loses {
		s.loseWebhooks()
	}
	story.run(s, func(do func() error) {
		err := do()
		if m.dead() {
			revive()
			err = do()
		}
		require.NoError(t, err, crash)
	})
	for i := range 20 {
		if m.dead() || i == 10 { // what happens after a day is left to a process that lives
			revive()
		}
		s.srv.Advance(3 * time.Hour)
		_, err := s.flow.Sweep(t.Context())
		require.True(t, err == nil || m.dead(), crash)
	}

	o := s.order("order-1")
	require.True(t, o.DueAt.IsZero(), "%s: order is still due: %+v", crash, o)
	sold := map[string]int64{}
	if story.paid {
		s.requireStatus("order-1", checkout.Fulfilled)
		require.Equal(t, 1, s.shipments("order-1"), crash)
		for _, l := range o.Lines {
			sold[l.SKU] += l.Quantity
		}
	} else {
		require.Zero(t, s.shipments("order-1"), crash)
	}
	s.requireStock("last", 1-sold["last"], 0, sold["last"])
	s.requireStock("tee", 5-sold["tee"], 0, sold["tee"])
	for _, id := range s.sessionIDs() {
		require.NotEqual(t, "open", s.stripeStatus(id), crash)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps, m.gone
}
