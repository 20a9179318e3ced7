package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// insert writes orders as they are.
func (s *testShop) insert(orders ...*store.Order) {
	s.t.Helper()
	require.NoError(s.t, s.store.InTx(s.t.Context(), func(tx *sql.Tx) error {
		_, err := s.store.Insert(s.t.Context(), tx, orders...)
		return err
	}))
}

// What the database holds does not reach the terminal raw, neither in tables nor as JSON nor in messages.
func TestNothingUnprintableReachesTheTerminal(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		const odd = "a\x1b[31m\u202e\u009b\x7f\tb\n\U000e0041é日"
		now := s.srv.Now()
		s.insert(&store.Order{
			ID: odd, CreatedAt: now, UpdatedAt: now, Mode: "payment", Currency: "usd", Parked: odd, Metadata: map[string]string{"k": odd},
			Lines: []store.Line{{SKU: odd, Name: odd, UnitAmount: 5, Quantity: 1}}, Customer: store.Customer{Email: odd, Name: odd, Phone: odd},
			Attempts: []store.Attempt{{N: 1, SessionID: "cs_odd", Completed: true, Paid: true, Amount: 5, Mismatch: odd}},
			Notices:  []store.Notice{{N: 1, Kind: odd, Detail: odd, At: now}}, Delivery: store.Delivery{LastError: odd},
		})
		for _, args := range []string{
			"orders list", "orders list -json", "orders stuck", "orders stuck -json", "orders show cs_odd", "orders show -json cs_odd", "orders show ODD",
			"orders resolve ODD give-up", "orders refund ODD", "stock set ODD 5", "stock list", "stock adjust UNKNOWN 1", "erase ODD", "erase UNKNOWN",
			"orders ODD", "ODD", "help ODD", "orders list -ODD", "orders list -status ODD", "orders show -database ODD", "events replay ODD", "migrate ODD",
		} {
			words := strings.Fields(args)
			for i := range words {
				words[i] = strings.NewReplacer("UNKNOWN", odd+"\xff", "ODD", odd).Replace(words[i])
			}
			r := s.run(words...)
			for _, c := range r.stdout + r.stderr {
				require.True(t, c == '\n' || unicode.IsPrint(c), "%q wrote %q: %q", args, c, r.stdout+r.stderr)
			}
		}
		require.Equal(t, odd, lines[orderStory](t, s.ok("orders", "show", "-json", "cs_odd"))[0].ID, "a script gets the text as it is")
		list := s.ok("orders", "list")
		require.Equal(t, 2, strings.Count(list, "\n"), list)
		require.Contains(t, list, `a\x1b[31m\u202e\u009b\x7f\x09b\x0a\U000e0041é日`)
	})
}

// A long list comes whole and in order, a page at a time.
func TestLongLists(t *testing.T) {
	t.Parallel()
	n := 2500
	if os.Getenv("FULFIL_TEST_FULL") != "" {
		n = 100_000
	}
	s := newShop(t, databases(t)["sqlite"], "")
	at := s.srv.Now()
	for i := 0; i < n; i += 500 {
		var orders []*store.Order
		for j := i; j < min(i+500, n); j++ {
			created := at.Add(time.Duration(j/3) * time.Second) // some at the same time
			orders = append(orders, &store.Order{ID: fmt.Sprintf("order-%06d", j), CreatedAt: created, UpdatedAt: created, Mode: "payment", Currency: "usd"})
		}
		s.insert(orders...)
	}
	w := &watcher{}
	require.Equal(t, exitOK, s.program(w, &bytes.Buffer{}).run(t.Context(), []string{"orders", "list", "-oldest", "-limit", "0"}))
	rows := strings.Split(strings.TrimSpace(w.text.String()), "\n")
	require.Len(t, rows, n+1)
	for i, row := range rows[1:] {
		require.True(t, strings.HasPrefix(row, fmt.Sprintf("order-%06d ", i)), row)
	}
	require.Less(t, w.largest, 1<<18, "it is written page by page")
	require.Len(t, lines[orderLine](t, s.ok("orders", "list", "-json", "-limit", "1700")), 1700)

	// Whoever reads has enough, as with head.
	w = &watcher{at: 5000, closed: true}
	var stderr bytes.Buffer
	require.Equal(t, exitFailed, s.program(w, &stderr).run(t.Context(), []string{"orders", "list", "-json", "-limit", "0"}))
	require.Empty(t, stderr.String())
	require.Less(t, w.text.Len(), 6000, "it stops")
}

// watcher is a stdout that does something when so many bytes were written.
type watcher struct {
	text    bytes.Buffer
	largest int
	at      int
	closed  bool // there is nobody who reads from then on
	then    func()
}

func (w *watcher) Write(text []byte) (int, error) {
	if w.closed && w.text.Len() >= w.at {
		return 0, &os.PathError{Op: "write", Path: "stdout", Err: syscall.EPIPE}
	}
	w.largest = max(w.largest, len(text))
	n, err := w.text.Write(text)
	if w.then != nil && w.text.Len() >= w.at {
		w.then()
	}
	return n, err
}

// Ctrl-C in the middle leaves each order and event done or not done, and the same command does the rest.
func TestCtrlC(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		s.ok("stock", "set", "tee", "100")
		s.srv.Faults(checkouttest.Drop())
		for i := range 5 {
			s.pay(fmt.Sprintf("order-%d", i), "ada@example.com")
		}
		s.srv.Faults()
		interrupt := func(args ...string) (r result) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var stderr bytes.Buffer
			w := &watcher{at: 1, then: cancel}
			code := s.program(w, &stderr).run(ctx, args)
			return result{code, w.text.String(), stderr.String()}
		}
		r := interrupt("events", "replay", "-all")
		require.Equal(t, exitFailed, r.code)
		require.Equal(t, 1, strings.Count(r.stdout, ": accepted\n"))
		require.Regexp(t, `^fulfil: interrupted: replayed 1 of \d+; deliver the rest with the same command\n$`, r.stderr)
		s.ok("events", "replay", "-all")

		r = interrupt("erase", "-email", "ada@example.com", "-yes")
		require.Equal(t, exitFailed, r.code)
		require.Equal(t, "erased order-0\n", r.stdout)
		require.Contains(t, r.stderr, "interrupted: erased 1 of 5; the same command erases the rest")
		require.Equal(t, 4, strings.Count(s.ok("erase", "-email", "ada@example.com", "-yes"), "erased"))
	})
}

// What only reads works on a replica, and what writes says why it does not.
func TestReadOnlyDatabase(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *testShop) {
		address := s.env["DATABASE_URL"]
		s.ok("stock", "set", "tee", "100")
		s.stuckOrder("order-1", "ada@example.com")
		switch {
		case strings.HasPrefix(address, "file:"):
			s.env["DATABASE_URL"] = address + "?mode=ro"
		case strings.HasPrefix(address, "postgres:"):
			s.env["DATABASE_URL"] = address + "&default_transaction_read_only=on"
		default:
			s.env["DATABASE_URL"] = address + "?tx_read_only=1" // MariaDB's name for it
		}
		for _, args := range []string{"schema", "orders list", "orders stuck", "orders show order-1", "stock list", "events undelivered", "doctor"} {
			s.ok(strings.Fields(args)...)
		}
		for _, args := range []string{"orders resolve order-1 retry", "stock set tee 5", "stock adjust tee 5", "erase order-1 -yes"} {
			require.Contains(t, s.refused(exitFailed, strings.Fields(args)...), "the database takes no writes: name the primary", args)
		}
	})
}

// No message repeats a secret.
func TestNoMessageRepeatsASecret(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t/p@ss"
	for _, address := range []string{
		"postgres://shop:s3cr3t%2Fp%40ss@127.0.0.1:1/shop?connect_timeout=1", "mysql://shop:s3cr3t%2Fp%40ss@127.0.0.1:1/shop", "shop:s3cr3t/p@ss@tcp(127.0.0.1:1)/shop",
		"postgres://shop:s3cr3t%zz@127.0.0.1:1/shop", "postgres://shop:s3cr3t/p@ss@127.0.0.1:1/shop", "mysql://shop:s3cr3t%zz@127.0.0.1:1/shop", "oracle://shop:s3cr3t@host/shop",
	} {
		s := &testShop{t: t, env: map[string]string{"DATABASE_URL": address, "STRIPE_SECRET_KEY": "sk_test_s3cr3t", "STRIPE_WEBHOOK_SECRET": "whsec_s3cr3t"}}
		r := s.run("orders", "list")
		require.NotEqual(t, exitOK, r.code)
		require.NotEmpty(t, r.stderr)
		require.NotContains(t, r.stdout+r.stderr, "s3cr3t", address)
		require.NotContains(t, r.stdout+r.stderr, secret)
	}
	s := &testShop{t: t, env: map[string]string{"STRIPE_SECRET_KEY": "pk_test_s3cr3t"}}
	require.NotContains(t, s.refused(exitUsage, "orders", "list"), "s3cr3t")
}
