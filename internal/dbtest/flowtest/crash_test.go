package flowtest

import (
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/dbtest"
	"github.com/gofulfil/fulfil/internal/sampling"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

var (
	killsFlag = flag.Int("kills", sampling.Size(15, 30), "how often TestKill kills the shop, on each database")
	seedFlag  = flag.Uint64("kill-seed", 1, "seed of the moments at which TestKill kills, and of what its customers do")
)

// testStock is the stock of the shops under test: plenty of most SKUs, and few of one.
var testStock = map[string]int64{"ink": 100000, "pen": 100000, "pad": 100000, "rare": 40}

// town is a Stripe, a database, and the processes of one shop.
type town struct {
	t     *testing.T
	d     dbtest.Database
	dsn   string
	db    *sql.DB
	srv   *checkouttest.Server
	clock string
	shops []*process
}

// newTown creates the tables and starts n processes of the shop. Webhooks go to the first process.
func newTown(t *testing.T, d dbtest.Database, n int, stock map[string]int64) *town {
	t.Helper()
	w := &town{t: t, d: d, dsn: d.Create(t), clock: filepath.Join(t.TempDir(), "clock")}
	w.db = d.Connect(t, w.dsn, 4)
	if err := migrate(t.Context(), w.db, d.Dialect); err != nil {
		t.Fatal(err)
	}
	reserver := sqlreserver.New(d.Dialect)
	err := sqlstore.New(w.db, d.Dialect).InTx(t.Context(), func(tx *sql.Tx) error {
		for sku, onHand := range stock {
			if err := reserver.Set(t.Context(), tx, sku, onHand); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.srv = checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0", Start: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)})
	t.Cleanup(w.srv.Close)
	writeClock(t, w.clock, w.srv.Now())
	for range n {
		p := newProcess(t, childConfig{
			Driver: d.Driver, DSN: w.dsn, Dialect: d.Dialect, Conns: 4,
			Stripe: w.srv.URL(), Key: w.srv.Key(), Secret: w.srv.WebhookSecret(), Clock: w.clock,
		})
		p.start()
		w.shops = append(w.shops, p)
	}
	w.srv.Deliver(w.shops[0])
	return w
}

// advance moves the clock of Stripe and of all processes.
func (w *town) advance(d time.Duration) {
	w.t.Helper()
	writeClock(w.t, w.clock, w.srv.Now().Add(d))
	w.srv.Advance(d)
}

// rest lets days pass with sweeps, so that everything due is done.
func (w *town) rest() {
	w.t.Helper()
	for range 80 {
		w.advance(time.Hour)
		status, body, err := w.shops[0].post("/sweep", nil)
		if err != nil || status != http.StatusOK {
			w.t.Fatalf("sweep: %d %s %v; %s", status, body, err, w.shops[0].stderr)
		}
	}
}

// audit checks the books of a shop at rest: every paid session is fulfilled once and no other session is, the stock adds up,
// and nothing is held or due. It returns the numbers of paid orders and of all orders.
func (w *town) audit(stock map[string]int64) (paid, all int) {
	w.t.Helper()
	ctx := w.t.Context()
	paidOrders := map[string]bool{}
	for s, err := range w.srv.Client().V1CheckoutSessions.List(ctx, &stripe.CheckoutSessionListParams{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		if s.PaymentStatus == stripe.CheckoutSessionPaymentStatusPaid {
			if paidOrders[s.ClientReferenceID] {
				w.t.Errorf("order %s was paid twice", s.ClientReferenceID)
			}
			paidOrders[s.ClientReferenceID] = true
		}
		if s.Status == stripe.CheckoutSessionStatusOpen {
			w.t.Errorf("session %s of order %s is still open", s.ID, s.ClientReferenceID)
		}
	}

	shipments := map[string]int{}
	rows, err := w.db.QueryContext(ctx, `SELECT order_id FROM shipments`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			w.t.Fatal(err)
		}
		shipments[id]++
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	for id, n := range shipments {
		if n != 1 || !paidOrders[id] {
			w.t.Errorf("order %s: paid %t, fulfilled %d times", id, paidOrders[id], n)
		}
	}

	st := sqlstore.New(w.db, w.d.Dialect)
	sold := map[string]int64{}
	var after store.Position
	for {
		orders, err := st.List(ctx, store.Query{After: after, Limit: store.MaxLimit})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(orders) == 0 {
			break
		}
		for _, o := range orders {
			all++
			after = store.Position{CreatedAt: o.CreatedAt, ID: o.ID}
			if o.Paid() != paidOrders[o.ID] || o.Paid() && shipments[o.ID] != 1 {
				w.t.Errorf("order %s is %s, and fulfilled %d times; paid at Stripe: %t", o.ID, o.Status(), shipments[o.ID], paidOrders[o.ID])
			}
			if !o.DueAt.IsZero() {
				w.t.Errorf("order %s is %s and still due at %v", o.ID, o.Status(), o.DueAt)
			}
			if o.Paid() {
				for _, l := range o.Lines {
					sold[l.SKU] += l.Quantity
				}
			}
		}
	}
	reserver := sqlreserver.New(w.d.Dialect)
	err = st.InTx(ctx, func(tx *sql.Tx) error {
		kept, err := reserver.Stock(ctx, tx)
		if err != nil {
			return err
		}
		for _, s := range kept {
			if s.Held != 0 || s.Sold != sold[s.SKU] || s.OnHand+s.Sold != stock[s.SKU] {
				w.t.Errorf("stock %+v: of %d, %d were in paid orders", s, stock[s.SKU], sold[s.SKU])
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(paidOrders), all
}

// customer acts like a customer of a shop that may die at any moment.
func (w *town) customer(rng *rand.Rand, id string, stop *atomic.Bool) {
	skus := []string{"ink", "pen", "pad", "rare"}
	pick := func() []string {
		cart := []string{skus[rng.IntN(len(skus))]}
		for rng.IntN(2) == 0 && len(cart) < 4 {
			cart = append(cart, skus[rng.IntN(len(skus))])
		}
		return cart
	}
	cart := cartRequest{Order: id, SKUs: pick()}
	if rng.IntN(3) == 0 {
		cart.HoldFor = 10 * time.Minute
	}
	session := ""
	for clicks := 1 + rng.IntN(2); clicks > 0 && !stop.Load(); {
		status, body, err := w.shops[0].post("/begin", cart)
		switch {
		case err != nil:
			w.shops[0].awaitRunning()
			continue
		case status == http.StatusServiceUnavailable || status == http.StatusInternalServerError:
			continue // the customer tries again
		case status == http.StatusOK:
			session = body
		case status != http.StatusConflict && status != http.StatusGone:
			w.t.Errorf("begin answered %d: %s", status, body)
		}
		clicks--
		if clicks > 0 && rng.IntN(2) == 0 {
			cart.SKUs = pick()
		}
	}
	if session == "" {
		return
	}
	switch rng.IntN(8) {
	case 0: // the customer goes away
	case 1:
		if w.srv.Pay(session, checkouttest.BankDebit) == nil && rng.IntN(2) == 0 {
			_ = w.srv.Settle(session)
		} else {
			_ = w.srv.Bounce(session)
		}
	case 2:
		_ = w.srv.Pay(session, checkouttest.CardDeclined)
		fallthrough
	default:
		_ = w.srv.Pay(session, checkouttest.CardOK) // fails if the session has expired meanwhile
	}
	_, _, _ = w.shops[0].get("/status?session_id=" + session) // fails if the process is killed meanwhile
}

// maxSteps is the largest number of steps before TestKill kills a process. About ten orders take as many steps.
const maxSteps = 400

// TestKill kills a shop process again and again while customers are buying, each time after a random number of steps. The
// process goes on with its work until the signal arrives, so the kills also hit any statement between the steps.
func TestKill(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d dbtest.Database) {
		began := time.Now()
		w := newTown(t, d, 1, testStock)
		shop := w.shops[0]
		rng := rand.New(rand.NewPCG(*seedFlag, 1000))
		restart := func() {
			shop.kill()
			w.advance(time.Duration(rng.IntN(180)) * time.Second)
			shop.config.Steps = 1 + rng.Int64N(maxSteps)
			shop.start()
		}
		restart()
		var stop atomic.Bool
		defer stop.Store(true)
		var customers sync.WaitGroup
		for n := range 6 {
			customers.Go(func() {
				rng := rand.New(rand.NewPCG(*seedFlag, uint64(n)))
				for i := 0; !stop.Load(); i++ {
					w.customer(rng, fmt.Sprintf("order-%d-%d", n, i), &stop)
				}
			})
		}
		for range *killsFlag {
			if rng.IntN(2) == 0 {
				customers.Go(func() { _, _, _ = shop.post("/sweep", nil) }) // fails if the process is killed meanwhile
			}
			shop.awaitSteps()
			restart()
		}
		stop.Store(true)
		customers.Wait()
		w.rest()
		paid, all := w.audit(testStock)
		if paid == 0 || paid == all {
			t.Errorf("%d of %d orders were paid, so the test shows nothing", paid, all)
		}
		t.Logf("%d kills, %d orders, %d paid and fulfilled once, in %v", *killsFlag, all, paid, time.Since(began).Round(time.Millisecond))
	})
}
