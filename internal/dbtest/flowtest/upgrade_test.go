package flowtest

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/dbtest"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// oldVersion is the last commit before the newest file of sqlstore's schema. A new file makes the commit before it the old version.
const oldVersion = "f1cf292d1122dd7fc1a792e02fe1d150c23f27ed"

// buildOld builds the shop process of the old version, which needs the history of the repository.
func buildOld(t *testing.T) (program string) {
	t.Helper()
	if os.Getenv("FULFIL_TEST_CLUSTER") == "" {
		t.Skip("set FULFIL_TEST_CLUSTER=1 to build the old version from the repository's history")
	}
	dir := t.TempDir()
	program = filepath.Join(dir, "old.test")
	archive := filepath.Join(dir, "old.tar")
	for _, c := range []*exec.Cmd{
		exec.Command("git", "-C", "../../..", "archive", "-o", archive, oldVersion),
		exec.Command("tar", "-x", "-C", dir, "-f", archive),
		exec.Command("go", "test", "-C", filepath.Join(dir, "internal/dbtest/flowtest"), "-c", "-o", program, "."),
	} {
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s: %s", c, out)
	}
	return program
}

// TestRollingUpgrade has a shop go on while its processes are replaced by those of the new version, which migrate the database when
// they start. Processes of both versions run at once, on orders in every state.
func TestRollingUpgrade(t *testing.T) {
	old := buildOld(t)
	dbtest.Each(t, func(t *testing.T, d dbtest.Database) {
		w := &town{t: t, d: d, dsn: d.Create(t), clock: filepath.Join(t.TempDir(), "clock")}
		w.db = d.Connect(t, w.dsn, 4)
		w.srv = checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0", Start: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)})
		t.Cleanup(w.srv.Close)
		writeClock(t, w.clock, w.srv.Now())
		open := func(program string) *process {
			p := newProcess(t, childConfig{
				Driver: d.Driver, DSN: w.dsn, Dialect: d.Dialect, Conns: 4,
				Stripe: w.srv.URL(), Key: w.srv.Key(), Secret: w.srv.WebhookSecret(), Clock: w.clock,
			})
			p.program = program
			p.start()
			return p
		}
		u := &upgrade{town: w}
		u.use(open(old), open(old))
		w.srv.Deliver(u)
		require.ErrorContains(t, sqlstore.Check(t.Context(), w.db, d.Dialect), "fulfil_terms", "the old version has a schema of its own")
		require.NoError(t, sqlstore.New(w.db, d.Dialect).InTx(t.Context(), func(tx *sql.Tx) error {
			for sku, onHand := range testStock {
				if err := sqlreserver.New(d.Dialect).Set(t.Context(), tx, sku, onHand); err != nil {
					return err
				}
			}
			return nil
		}))

		u.sell(60) // orders in every state, all of the old version
		u.giveBack(5)
		before := u.processes
		u.sell(60, func() { u.use(append(before, open(""))...) }, func() { u.use(append(before, open(""), open(""))...) })
		after := u.processes[2:]
		u.sell(60, func() { u.use(after...) })
		for _, p := range before {
			p.kill()
		}
		u.sell(30)
		require.NoError(t, sqlstore.Check(t.Context(), w.db, d.Dialect))
		w.shops = after
		w.rest()
		paid, all := w.audit(testStock)
		require.Greater(t, paid, 50)
		t.Logf("%d orders, %d paid and fulfilled once", all, paid)
	})
}

// upgrade is a town whose processes change while customers buy.
type upgrade struct {
	*town
	orders atomic.Int64

	mu        sync.Mutex
	processes []*process // that get customers and webhooks
}

func (u *upgrade) use(processes ...*process) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.processes = processes
}

func (u *upgrade) any() *process {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.processes[rand.IntN(len(u.processes))]
}

// ServeHTTP passes a webhook on to one of the processes.
func (u *upgrade) ServeHTTP(w http.ResponseWriter, r *http.Request) { u.any().ServeHTTP(w, r) }

// sell has n customers buy, six at a time, each at one of the processes. Meanwhile it does what is given. It returns when all
// customers have left, so that a process which is not used any longer has none.
func (u *upgrade) sell(n int, meanwhile ...func()) {
	u.t.Helper()
	var stop atomic.Bool
	var customers sync.WaitGroup
	end := u.orders.Load() + int64(n)
	for range 6 {
		customers.Go(func() {
			for order := u.orders.Add(1); order <= end; order = u.orders.Add(1) {
				at := *u.town
				at.shops = []*process{u.any()}
				at.customer(rand.New(rand.NewPCG(*seedFlag, uint64(order))), fmt.Sprintf("order-%d", order), &stop)
			}
		})
	}
	for _, do := range meanwhile {
		do()
	}
	customers.Wait()
	u.orders.Store(end)
}

// giveBack refunds some of the payments.
func (u *upgrade) giveBack(n int) {
	u.t.Helper()
	for _, e := range u.srv.Events() {
		if n > 0 && e.Type == "checkout.session.completed" && bytes.Contains(e.Object, []byte(`"payment_status":"paid"`)) {
			_, err := u.srv.Refund(e.SessionID, 100)
			require.NoError(u.t, err)
			n--
		}
	}
}
