package checkout

import (
	"context"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/store"
)

const (
	// firstLook and lastLook are the shortest and the longest pause between two looks at an order that customers wait for. Each
	// pause is half as long again as the one before. A look finds what another process of the shop settled; what this process
	// settles wakes the customers at once.
	firstLook = 2 * time.Second
	lastLook  = 10 * time.Second
	// lookShare is how much later each further session that is waited for makes the next look: one process looks at most 500
	// times a second.
	lookShare = 2 * time.Millisecond
)

// waitingRoom is where the customers of this process wait whose pages want to show news of an order.
type waitingRoom struct {
	mu       sync.Mutex
	sessions map[string]*poller
	orders   map[string][]*poller
}

// poller is what all who wait for one session share. One of them at a time leads: the leader looks at the order, for all of them.
// There is no goroutine beside those of the customers. When the leader leaves, another takes over.
type poller struct {
	session, order string
	lead           chan struct{} // holds an element while somebody leads
	wake           chan struct{} // holds an element if this process changed the order since the last look
	waiting        int           // guarded by waitingRoom.mu

	mu     sync.Mutex
	latest *store.Order  // as the last look found it; nil: nobody looked yet
	looked chan struct{} // closed by the next look

	// Of the leader alone.
	lookAt time.Time
	pause  time.Duration
}

// find joins those who wait for a session already; nil: nobody does.
func (w *waitingRoom) find(session string) *poller {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.sessions[session]
	if p != nil {
		p.waiting++
	}
	return p
}

// join joins those who wait for a session of an order. Whoever joined must leave.
func (w *waitingRoom) join(session, order string) *poller {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.sessions[session]
	if p == nil {
		if w.sessions == nil {
			w.sessions, w.orders = map[string]*poller{}, map[string][]*poller{}
		}
		p = &poller{session: session, order: order, lead: make(chan struct{}, 1), wake: make(chan struct{}, 1), looked: make(chan struct{})}
		w.sessions[session] = p
		w.orders[order] = append(w.orders[order], p)
	}
	p.waiting++
	return p
}

func (w *waitingRoom) leave(p *poller) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.waiting--
	if p.waiting > 0 {
		return
	}
	delete(w.sessions, p.session)
	w.orders[p.order] = slices.DeleteFunc(w.orders[p.order], func(other *poller) bool { return other == p })
	if len(w.orders[p.order]) == 0 {
		delete(w.orders, p.order)
	}
}

// changed has those look who wait for an order that this process changed.
func (w *waitingRoom) changed(order string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.orders[order] {
		p.lookNow()
	}
}

// share is the shortest pause between two looks at one order, by how many are waited for.
func (w *waitingRoom) share() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(len(w.sessions)) * lookShare
}

// lookNow has the leader, or the next one, look at once.
func (p *poller) lookNow() {
	select {
	case p.wake <- struct{}{}:
	default: // they are about to look
	}
}

// state returns what the last look found, and what the next one closes.
func (p *poller) state() (latest *store.Order, looked <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest, p.looked
}

// publish tells all who wait what a look found.
func (p *poller) publish(o *store.Order) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest = o
	close(p.looked)
	p.looked = make(chan struct{})
}

// planLook sets the time of the next look. The part that is taken off the pause is drawn from the session's ID, so that customers
// who came together do not look together.
func (p *poller) planLook(now time.Time, shortest time.Duration) {
	p.pause = min(max(p.pause*3/2, firstLook), lastLook)
	pause := max(p.pause, shortest)
	h := fnv.New64a()
	_, _ = h.Write([]byte(p.session))
	p.lookAt = now.Add(pause - time.Duration(h.Sum64()%uint64(pause/4)))
}

// await returns the order of a session when it is no longer about to change, or as the last look found it when over or ctx ends, or
// [Flow.Run] does. It returns nil if nobody could look.
func (f *Flow[Tx]) await(ctx context.Context, p *poller, over <-chan time.Time) (*store.Order, error) {
	for {
		latest, looked := p.state()
		if latest != nil && !aboutToChange(latest) {
			return latest, nil
		}
		select {
		case p.lead <- struct{}{}:
			ended, err := f.leadLooks(ctx, p, over)
			if ended || err != nil {
				latest, _ = p.state()
				return latest, err
			}
		case <-looked:
		case <-over:
			return latest, nil
		case <-f.ended:
			return latest, nil
		case <-ctx.Done():
			return latest, nil
		}
	}
}

// leadLooks looks at the order for all who wait for it, until it is no longer about to change. ended reports that the caller's
// waiting is over instead. The caller has taken p.lead, and leadLooks gives it back.
func (f *Flow[Tx]) leadLooks(ctx context.Context, p *poller, over <-chan time.Time) (ended bool, err error) {
	defer func() { <-p.lead }() // also if a callback ends the goroutine
	for {
		if latest, _ := p.state(); latest != nil && !aboutToChange(latest) {
			return false, nil
		}
		timer := time.NewTimer(time.Until(p.lookAt))
		select {
		case <-timer.C:
			p.planLook(time.Now(), f.waiters.share())
		case <-p.wake:
		case <-over:
			ended = true
		case <-f.ended:
			ended = true
		case <-ctx.Done():
			ended = true
		}
		timer.Stop()
		if ended {
			return true, nil
		}
		o, err := f.settleForPage(ctx, p.session)
		if err != nil {
			if ctx.Err() != nil {
				p.lookNow() // the leader left during its look, which nobody has seen the outcome of
			}
			return false, err
		}
		p.publish(o)
	}
}

const (
	// statusAsks is how many requests to Stripe the status pages of one process make in a second, and statusBurst how many at
	// once. A sandbox takes 25 requests a second (https://docs.stripe.com/rate-limits), which the whole shop shares.
	statusAsks  = 5
	statusBurst = 10
)

// askBudget limits the requests to Stripe that status pages cause.
type askBudget struct {
	mu    sync.Mutex
	spent float64 // requests that were not earned back yet
	at    time.Time
}

// take reports whether one more request may be made.
func (b *askBudget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if passed := now.Sub(b.at); passed > 0 {
		b.spent = max(0, b.spent-passed.Seconds()*statusAsks)
	}
	b.at = now
	if b.spent+1 > statusBurst {
		return false
	}
	b.spent++
	return true
}

// exhaust lets no request be made for some time, after Stripe refused one for its rate.
func (b *askBudget) exhaust(now time.Time, pause time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at, b.spent = now, max(b.spent, statusBurst+pause.Seconds()*statusAsks)
}
