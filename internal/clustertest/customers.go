package clustertest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// crowd is a number of customers. With a rate they come steadily, whether the shop answers or not. With buyers, so many are in the
// shop, and for each that leaves another comes.
type crowd struct {
	from   int // the number of the first order
	orders int
	rate   float64 // in a second
	buyers int
	// patience is how long a customer waits for one answer of Begin, and after how long the customer does not try again. Default: two
	// minutes.
	patience time.Duration
}

// visit is what became of one customer.
type visit struct {
	came  time.Time
	took  time.Duration // until there was an answer to be used: a session, or that it is sold out
	slow  time.Duration // the longest single Begin
	fails []string
	sold  bool
	out   bool // sold out
	left  bool // without an answer to be used
}

// sales is what became of a crowd.
type sales struct {
	visits []visit
	began  time.Time
	took   time.Duration
}

// carts are what customers buy in turn. Few of the rare ones are there, and the carts name what they share in clashing sequences.
var carts = [][]string{{"ink"}, {"ink", "pen"}, {"rare"}, {"pen", "ink"}}

func cart(order int, skus ...string) checkout.Session {
	s := checkout.Session{
		OrderID: fmt.Sprintf("order-%d", order), SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		HoldFor: 35 * time.Minute,
	}
	for _, sku := range skus {
		s.Lines = append(s.Lines, checkout.Line{SKU: sku, Name: sku, UnitAmount: checkout.MustAmount("5.00", "eur"), Quantity: 1})
	}
	return s
}

// sell lets a crowd buy. at says what happens when how many customers have come. sell returns when all is done and all customers
// have left.
func (s *shop) sell(c crowd, at map[int]func()) *sales {
	s.t.Helper()
	if c.patience == 0 {
		c.patience = 2 * time.Minute
	}
	if s.stock == nil {
		s.stockUp(map[string]int64{"ink": plenty, "pen": plenty, "rare": int64(c.orders / 10)})
	}
	all := &sales{visits: make([]visit, c.orders), began: time.Now()}
	var running sync.WaitGroup
	var doing sync.Mutex // what happens does so in turn
	var interval time.Duration
	places := make(chan struct{}, max(c.buyers, 1))
	if c.buyers == 0 {
		interval = time.Duration(float64(time.Second) / c.rate)
	}
	for i := range c.orders {
		time.Sleep(time.Until(all.began.Add(time.Duration(i) * interval)))
		if c.buyers > 0 {
			places <- struct{}{}
		}
		if what := at[i]; what != nil {
			running.Go(func() {
				doing.Lock()
				defer doing.Unlock()
				what()
			})
		}
		running.Go(func() {
			all.visits[i] = s.visit(c, c.from+i)
			if c.buyers > 0 {
				<-places
			}
		})
	}
	running.Wait()
	all.took = time.Since(all.began)
	return all
}

// visit is a customer: begins an order, again after an error, and pays. Every eighth changes the cart first, at the next process,
// and every tenth goes away without paying.
func (s *shop) visit(c crowd, order int) (v visit) {
	v.came = time.Now()
	p := s.processes[order%len(s.processes)]
	started := s.begin(c, p, &v, cart(order, carts[order%len(carts)]...))
	if started != nil && order%8 == 1 {
		p = s.processes[(order+1)%len(s.processes)]
		if again := s.begin(c, p, &v, cart(order, "ink", "pen", "pen")); again != nil {
			started = again
		}
	}
	v.took = time.Since(v.came)
	if started == nil || order%10 == 9 {
		return v
	}
	if err := s.srv.Pay(started.SessionID, checkouttest.CardOK); err != nil {
		s.t.Errorf("order-%d: %v", order, err)
	}
	v.sold = true
	return v
}

// begin begins an order, for as long as the customer wants it.
func (s *shop) begin(c crowd, p *process, v *visit, cart checkout.Session) *checkout.Started {
	for tries := 0; ; tries++ {
		ctx, cancel := context.WithTimeout(context.Background(), c.patience)
		began := time.Now()
		started, err := p.flow.Begin(ctx, cart)
		cancel()
		v.slow = max(v.slow, time.Since(began))
		var shortage *reservation.ShortageError
		switch {
		case err == nil:
			return started
		case errors.As(err, &shortage):
			v.out = true
			return nil
		}
		v.fails = append(v.fails, kind(err))
		if tries == 20 || time.Since(v.came) > c.patience {
			v.left = true
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// digits are what differs between two errors of one kind.
var digits = regexp.MustCompile(`[0-9]+`)

// known are the errors of Begin that have a name.
var known = []struct {
	name string
	err  error
}{
	{"ErrSuperseded", checkout.ErrSuperseded}, {"ErrStillOpen", checkout.ErrStillOpen}, {"ErrNotFound", checkout.ErrNotFound},
	{"ErrAlreadyPaid", checkout.ErrAlreadyPaid}, {"ErrProcessing", checkout.ErrProcessing}, {"deadline", context.DeadlineExceeded},
	{"ErrConflict", sqlstore.ErrConflict}, {"ErrInDoubt", store.ErrInDoubt}, {"ErrUnavailable", store.ErrUnavailable},
}

// kind names an error of Begin.
func kind(err error) string {
	for _, k := range known {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	text, _, _ := strings.Cut(digits.ReplaceAllString(err.Error(), "N"), "\n")
	return text[:min(len(text), 300)]
}

// errors counts the errors of Begin by their kind.
func (a *sales) errors() map[string]int {
	kinds := map[string]int{}
	for _, v := range a.visits {
		for _, kind := range v.fails {
			kinds[kind]++
		}
	}
	return kinds
}

// requireSmooth fails the test if a customer saw an error of Begin of another kind than those.
func (a *sales) requireSmooth(t testing.TB, but ...string) {
	t.Helper()
	kinds := a.errors()
	for _, kind := range but {
		delete(kinds, kind)
	}
	require.Empty(t, kinds, "customers saw errors of Begin")
}

// count counts visits.
func (a *sales) count(is func(v visit) bool) (n int) {
	for _, v := range a.visits {
		if is(v) {
			n++
		}
	}
	return n
}

// usual is how long Begin takes at most when nothing is the matter, on a busy machine.
const usual = time.Second

// normal is how long after a fault customers came whose Begin failed or was slow.
func (a *sales) normal(fault time.Time) (after time.Duration) {
	for _, v := range a.visits {
		if v.slow > usual || len(v.fails) > 0 {
			after = max(after, v.came.Sub(fault))
		}
	}
	return after.Round(100 * time.Millisecond)
}

// slowest is the longest that a customer waited for one Begin.
func (a *sales) slowest() (longest time.Duration) {
	for _, v := range a.visits {
		longest = max(longest, v.slow)
	}
	return longest.Round(10 * time.Millisecond)
}

// median is how long half of the customers waited at most.
func (a *sales) median() time.Duration {
	var took []time.Duration
	for _, v := range a.visits {
		took = append(took, v.took)
	}
	slices.Sort(took)
	return took[len(took)/2].Round(100 * time.Microsecond)
}
