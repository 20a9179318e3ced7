package flowtest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/dbtest"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// TestContention lets 64 customers buy at once from three processes: one SKU with a stock of ten, and overlapping carts that
// name their SKUs in clashing sequences.
func TestContention(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d dbtest.Database) {
		t.Run("one hot SKU", func(t *testing.T) {
			stock := map[string]int64{"hot": 10}
			w := newTown(t, d, 3, stock)
			if paid := w.rush(func(int) []string { return []string{"hot"} }); paid != 10 {
				t.Errorf("%d of 10 were sold", paid)
			}
			w.rest()
			w.audit(stock)
		})
		t.Run("overlapping carts", func(t *testing.T) {
			stock := map[string]int64{}
			var skus []string
			for i := range 8 {
				skus = append(skus, fmt.Sprintf("sku-%d", i))
				stock[skus[i]] = 10
			}
			w := newTown(t, d, 3, stock)
			rng := rand.New(rand.NewPCG(*seedFlag, 7))
			carts := make([][]string, 64)
			for i := range carts {
				for _, k := range rng.Perm(len(skus))[:3] {
					carts[i] = append(carts[i], skus[k])
				}
			}
			paid := w.rush(func(i int) []string { return carts[i] })
			if paid < 10 || paid > 26 { // 80 pieces in carts of three
				t.Errorf("%d carts of three were sold, with a stock of 80 pieces", paid)
			}
			w.rest()
			w.audit(stock)
		})
		t.Run("one order from all sides", func(t *testing.T) {
			w := newTown(t, d, 3, testStock)
			for i := range 12 {
				w.clamour(fmt.Sprintf("order-%d", i))
			}
			w.rest()
			if paid, _ := w.audit(testStock); paid == 0 {
				t.Error("no order was paid, so the test shows nothing")
			}
		})
	})
}

// rush lets 64 customers begin at once, each in one of the processes. All who get a session pay. rush returns the number of
// paid sessions.
func (w *town) rush(cart func(i int) []string) (paid int) {
	w.t.Helper()
	began := time.Now()
	sessions := make([]string, 64)
	var customers sync.WaitGroup
	for i := range sessions {
		customers.Go(func() {
			shop := w.shops[i%len(w.shops)]
			status, body, err := shop.post("/begin", cartRequest{Order: fmt.Sprintf("order-%d", i), SKUs: cart(i)})
			switch {
			case err != nil || status != http.StatusOK && status != http.StatusConflict:
				w.t.Errorf("begin: %d %s %v; %s", status, body, err, shop.stderr)
			case status == http.StatusOK:
				sessions[i] = body
			}
		})
	}
	customers.Wait()
	took := time.Since(began)
	for _, id := range sessions {
		if id == "" {
			continue
		}
		if err := w.srv.Pay(id, checkouttest.CardOK); err != nil {
			w.t.Error(err)
		}
		paid++
	}
	w.t.Logf("64 customers in 3 processes: %d sold, %d turned away, begun in %v", paid, 64-paid, took.Round(time.Millisecond))
	return paid
}

// clamour makes all processes work on one order at once: with different carts, payments, status reads and sweeps.
func (w *town) clamour(id string) {
	w.t.Helper()
	carts := [][]string{{"ink"}, {"ink", "pen"}, {"pad", "pad"}}
	var sides sync.WaitGroup
	for i := range 9 {
		sides.Go(func() {
			shop := w.shops[i%len(w.shops)]
			cart := cartRequest{Order: id, SKUs: carts[(i/3)%len(carts)]}
			status, session, err := shop.post("/begin", cart)
			if err != nil || status == http.StatusInternalServerError {
				w.t.Errorf("begin: %d %s %v; %s", status, session, err, shop.stderr)
			}
			if status != http.StatusOK {
				return
			}
			_ = w.srv.Pay(session, checkouttest.CardOK) // fails if the session was replaced
			for _, other := range w.shops {
				sides.Go(func() {
					if _, _, err := other.get("/status?session_id=" + session); err != nil {
						w.t.Error(err)
					}
				})
				sides.Go(func() { _, _, _ = other.post("/sweep", nil) })
			}
		})
	}
	sides.Wait()
}

// TestStarvation lets 50 customers ask for the status of an order whose Fulfil is slow, over a pool of five connections. All of
// them get an answer while Fulfil runs.
func TestStarvation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d dbtest.Database) {
		db := d.Open(t, 5)
		if err := migrate(t.Context(), db, d.Dialect); err != nil {
			t.Fatal(err)
		}
		srv := checkouttest.NewServer(checkouttest.Config{})
		t.Cleanup(srv.Close)
		running, finish := make(chan struct{}), make(chan struct{})
		var once sync.Once
		flow, err := newFlow(db, d.Dialect, srv.Client(), srv.Now, slog.New(slog.DiscardHandler), func(context.Context) {
			once.Do(func() { close(running); <-finish })
		})
		if err != nil {
			t.Fatal(err)
		}
		err = sqlstore.New(db, d.Dialect).InTx(t.Context(), func(tx Tx) error {
			return sqlreserver.New(d.Dialect).Set(t.Context(), tx, "ink", 10)
		})
		if err != nil {
			t.Fatal(err)
		}
		begin := func(id string) string {
			started, err := flow.Begin(t.Context(), cartRequest{Order: id, SKUs: []string{"ink"}}.session())
			if err != nil {
				t.Fatal(err)
			}
			if err := srv.Pay(started.SessionID, checkouttest.CardOK); err != nil {
				t.Fatal(err)
			}
			return started.SessionID
		}
		status := func(session string) string {
			w := httptest.NewRecorder()
			flow.StatusHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?session_id="+session, nil))
			body, _ := io.ReadAll(w.Result().Body)
			return string(body)
		}
		slow := begin("slow")
		var first sync.WaitGroup
		first.Go(func() { status(slow) })
		<-running

		began := time.Now()
		var pollers sync.WaitGroup
		for range 50 {
			pollers.Go(func() {
				if got := status(slow); !strings.Contains(got, `"paid"`) {
					t.Errorf("status of the slow order: %s", got)
				}
			})
		}
		pollers.Wait() // hangs if a status read needs the connection or the lock of the slow Fulfil
		t.Logf("50 answers in %v beside a slow Fulfil", time.Since(began).Round(time.Millisecond))
		close(finish)
		first.Wait()
		if got := status(slow); !strings.Contains(got, `"fulfilled"`) {
			t.Errorf("status in the end: %s", got)
		}
	})
}
