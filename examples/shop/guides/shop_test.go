package guides

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
	_ "modernc.org/sqlite"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

func openShop(t *testing.T) (*Shop, *checkouttest.Server) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "shop.db")+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	require.NoError(t, err)
	srv := checkouttest.NewServer(checkouttest.Config{})
	t.Cleanup(func() {
		srv.Close()
		db.Close()
	})
	shop, err := NewShop(t.Context(), db, sqlstore.SQLite, srv.Client(), srv.WebhookSecret(), srv.Now)
	require.NoError(t, err)
	srv.Deliver(shop.hook)
	return shop, srv
}

// postgresFor opens a schema of its own for a test, and drops the schema in the end.
func postgresFor(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	schema := "test_" + strings.ToLower(rand.Text())
	server, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	_, err = server.ExecContext(t.Context(), "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	db, err := sql.Open("pgx", dsn+"&search_path="+schema) // dsn has other options, such as ?sslmode=disable
	require.NoError(t, err)
	t.Cleanup(func() {
		db.Close()
		_, err := server.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		require.NoError(t, err)
		server.Close()
	})
	return db
}

func TestBuyingOnPostgres(t *testing.T) {
	dsn := os.Getenv("FULFIL_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("FULFIL_TEST_POSTGRES names no server")
	}
	db, srv := postgresFor(t, dsn), checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	shop, err := NewShop(t.Context(), db, sqlstore.Postgres, srv.Client(), srv.WebhookSecret(), srv.Now)
	require.NoError(t, err)
	srv.Deliver(shop.hook)
	started, err := shop.flow.Begin(t.Context(), Session("order-1", 2))
	require.NoError(t, err)
	require.NoError(t, srv.Pay(started.SessionID, checkouttest.CardOK))
	require.Equal(t, 1, count(t, shop, `SELECT count(*) FROM shipments`))
}

func count(t *testing.T, s *Shop, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, s.db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

func TestBuying(t *testing.T) {
	shop, srv := openShop(t)
	started, err := shop.flow.Begin(t.Context(), Session("order-1", 2))
	require.NoError(t, err)

	err = srv.Pay(started.SessionID, checkouttest.CardDeclined)
	var declined *checkouttest.PaymentError
	require.ErrorAs(t, err, &declined) // the customer may try again
	require.NoError(t, srv.Pay(started.SessionID, checkouttest.CardOK))

	o, err := shop.flow.Order(t.Context(), "order-1") // Pay returned when the webhooks were answered
	require.NoError(t, err)
	require.Equal(t, checkout.Fulfilled, checkout.Display(o))
	require.Equal(t, 1, count(t, shop, `SELECT count(*) FROM shipments`))
}

// A visitor who clicks twice has one order, and another one after that order is paid.
func TestOneOpenOrder(t *testing.T) {
	shop, srv := openShop(t)
	var cookies []*http.Cookie
	click := func() (sessionID string) {
		r := httptest.NewRequest(http.MethodPost, "/checkout", nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		shop.Buy(w, r)
		require.Equal(t, http.StatusSeeOther, w.Code)
		if set := w.Result().Cookies(); len(set) > 0 {
			cookies = set
		}
		return path.Base(w.Header().Get("Location"))
	}
	first := click()
	require.Equal(t, first, click())
	require.NoError(t, srv.Pay(first, checkouttest.CardOK))
	require.NotEqual(t, first, click())
	require.Equal(t, 2, count(t, shop, `SELECT count(*) FROM fulfil_orders`))
}

func TestSoldOut(t *testing.T) {
	shop, srv := openShop(t)
	_, err := shop.flow.Begin(t.Context(), Session("order-1", 10))
	require.NoError(t, err)
	_, err = shop.flow.Begin(t.Context(), Session("order-2", 1))
	var short *reservation.ShortageError
	require.ErrorAs(t, err, &short)

	srv.Advance(16 * time.Minute) // longer than HoldFor
	_, err = shop.flow.Sweep(t.Context())
	require.NoError(t, err)
	_, err = shop.flow.Begin(t.Context(), Session("order-2", 1))
	require.NoError(t, err, "the stock of order-1 is back")
}

func TestLostWebhooks(t *testing.T) {
	shop, srv := openShop(t)
	started, err := shop.flow.Begin(t.Context(), Session("order-1", 1))
	require.NoError(t, err)
	srv.Faults(checkouttest.Drop())
	require.NoError(t, srv.Pay(started.SessionID, checkouttest.CardOK))

	srv.Advance(time.Hour)
	_, err = shop.flow.Sweep(t.Context()) // as Run does every half minute
	require.NoError(t, err)
	require.Equal(t, 1, count(t, shop, `SELECT count(*) FROM shipments`))
}

// The rest is the test of what the guides show.

func paid(t *testing.T, s *Shop, srv *checkouttest.Server, id string) *checkout.Started {
	t.Helper()
	started, err := s.flow.Begin(t.Context(), Session(id, 1))
	require.NoError(t, err)
	require.NoError(t, srv.Pay(started.SessionID, checkouttest.CardOK))
	return started
}

func status(t *testing.T, s *Shop, id string) checkout.DisplayStatus {
	t.Helper()
	o, err := s.flow.Order(t.Context(), id)
	require.NoError(t, err)
	return checkout.Display(o)
}

func TestDecisions(t *testing.T) {
	for decision, want := range map[string]checkout.DisplayStatus{"again": checkout.Fulfilled, "refund": "refunded"} {
		t.Run(decision, func(t *testing.T) {
			s, srv := openShop(t)
			_, err := s.db.Exec(`ALTER TABLE shipments RENAME TO away`) // every try to fulfil fails
			require.NoError(t, err)
			paid(t, s, srv, "order-1")
			for range 6 {
				srv.Advance(6 * time.Hour)
				_, err := s.flow.Sweep(t.Context())
				require.NoError(t, err)
			}
			var out bytes.Buffer
			require.NoError(t, s.PrintStuck(t.Context(), &out))
			require.Contains(t, out.String(), "order-1: fulfilling failed")
			require.Contains(t, out.String(), "next: decide")
			_, err = s.db.Exec(`ALTER TABLE away RENAME TO shipments`)
			require.NoError(t, err)
			require.NoError(t, s.Decide(t.Context(), "order-1", decision))
			srv.Flush() // the webhooks of the refund are answered
			require.Equal(t, want, status(t, s, "order-1"))
		})
	}
	s, _ := openShop(t)
	require.Error(t, s.Decide(t.Context(), "order-1", "anyhow"))
	require.ErrorIs(t, s.Decide(t.Context(), "order-1", "anyway"), checkout.ErrNotFound)
}

func TestStandaloneClient(t *testing.T) {
	s, _ := openShop(t)
	other := checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0"})
	t.Cleanup(other.Close)
	s, err := NewShop(t.Context(), s.db, s.dialect, StandaloneClient(other.URL(), other.Key()), other.WebhookSecret(), other.Now)
	require.NoError(t, err)
	other.Deliver(s.hook)
	paid(t, s, other, "order-1")
	require.Equal(t, checkout.Fulfilled, status(t, s, "order-1"))
}

func TestRefundAndRestock(t *testing.T) {
	s, srv := openShop(t)
	paid(t, s, srv, "order-1")
	require.NoError(t, s.Refund(t.Context(), "order-1", "form"))
	srv.Flush() // its webhooks are answered
	require.EqualValues(t, "refunded", status(t, s, "order-1"))
	require.Equal(t, 1, count(t, s, `SELECT count(*) FROM mails WHERE kind = 'refunded'`))
	_, err := s.flow.Begin(t.Context(), Session("order-2", 10))
	require.NoError(t, err)
}

func TestRestoreEraseAndTidy(t *testing.T) {
	s, srv := openShop(t)
	paid(t, s, srv, "order-1")
	require.NoError(t, s.AfterRestore(t.Context(), srv.Now()))
	_, err := s.db.Exec(`DELETE FROM fulfil_terms`)
	require.NoError(t, err)
	require.NoError(t, s.IndexOrders(t.Context()))
	require.Positive(t, count(t, s, `SELECT count(*) FROM fulfil_terms`))
	require.NoError(t, s.Forget(t.Context(), "order-1"))
	require.Equal(t, 1, count(t, s, `SELECT count(*) FROM shipments WHERE email = ''`))
	require.NoError(t, s.CheckDatabase(t.Context()))

	_, err = s.flow.Draft(t.Context(), Session("order-2", 1))
	require.NoError(t, err)
	_, err = s.db.Exec(`INSERT INTO notes (order_id, note) VALUES ('order-2', 'ring twice')`)
	require.NoError(t, err)
	srv.Advance(181 * 24 * time.Hour)
	n, err := s.Tidy(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Zero(t, count(t, s, `SELECT count(*) FROM notes`))
}

func TestOldSessionsGoToTheOldCode(t *testing.T) {
	s, srv := openShop(t)
	var heard []string
	s.alsoOld(func(_ context.Context, session *stripe.CheckoutSession) error {
		heard = append(heard, session.ClientReferenceID)
		return nil
	})
	old, err := srv.Client().V1CheckoutSessions.Create(t.Context(), &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("payment"), ClientReferenceID: stripe.String("old-1"), SuccessURL: stripe.String("https://shop.example/"),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{Quantity: stripe.Int64(1), PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
			Currency: stripe.String("usd"), UnitAmount: stripe.Int64(1999),
			ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("T-shirt")},
		}}},
	})
	require.NoError(t, err)
	require.NoError(t, srv.Pay(old.ID, checkouttest.CardOK))
	paid(t, s, srv, "order-1")
	require.Equal(t, []string{"old-1"}, heard)
	require.Equal(t, 1, count(t, s, `SELECT count(*) FROM shipments`))

	w := httptest.NewRecorder()
	handWritten(s.db, "whsec_x", func(string) error { return errors.New("not called") })(w, httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, http.StatusBadRequest, w.Code)
}

func TestMembership(t *testing.T) {
	shop, srv := openShop(t)
	url, err := shop.Join(t.Context(), "user-1")
	require.NoError(t, err)
	again, err := shop.Join(t.Context(), "user-1")
	require.NoError(t, err)
	require.Equal(t, url, again)
	require.NoError(t, srv.Pay(path.Base(url), checkouttest.CardOK))
	_, err = shop.Join(t.Context(), "user-1")
	require.ErrorIs(t, err, checkout.ErrAlreadyPaid)

	o, err := shop.flow.Order(t.Context(), "members-user-1-1")
	require.NoError(t, err)
	require.Equal(t, store.AccessTrial, o.Access(srv.Now(), 0).Reason)
	require.NoError(t, srv.Renew(o.Subscription().ID)) // the trial ends, and the first month is paid
	require.Equal(t, 1, count(t, shop, `SELECT count(*) FROM mails WHERE kind = 'renewed'`))

	require.NoError(t, shop.Leave(t.Context(), o.ID))
	srv.Advance(32 * 24 * time.Hour)
	o, err = shop.flow.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.False(t, o.Access(srv.Now(), 0).Granted)
	url, err = shop.Join(t.Context(), "user-1")
	require.NoError(t, err)
	require.NotEqual(t, again, url)
}

// An upgrade is paid at once, or does not happen.
func TestUpgrade(t *testing.T) {
	shop, srv := openShop(t)
	var prices []string
	for _, amount := range []int64{900, 2900} {
		price, err := srv.Client().V1Prices.Create(t.Context(), &stripe.PriceCreateParams{
			Currency: stripe.String("usd"), UnitAmount: &amount, ProductData: &stripe.PriceCreateProductDataParams{Name: stripe.String("Membership")},
			Recurring: &stripe.PriceCreateRecurringParams{Interval: stripe.String("month")},
		})
		require.NoError(t, err)
		prices = append(prices, price.ID)
	}
	session := Membership("members-user-1-1", "user-1")
	session.TrialDays, session.Currency, session.Lines = 0, "usd", []checkout.Line{{Price: prices[0], Quantity: 1}}
	begun, err := shop.flow.Begin(t.Context(), session)
	require.NoError(t, err)
	require.Error(t, shop.Upgrade(t.Context(), session.OrderID, prices[1]))
	require.NoError(t, srv.Pay(begun.SessionID, checkouttest.CardOK))
	o, err := shop.flow.Order(t.Context(), session.OrderID)
	require.NoError(t, err)

	require.NoError(t, srv.ReplaceMethod(o.Subscription().ID, checkouttest.CardDeclined))
	var declined *stripe.Error
	require.ErrorAs(t, shop.Upgrade(t.Context(), o.ID, prices[1]), &declined)
	o, err = shop.flow.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, prices[0], o.Subscription().Items[0].Price)
	require.NoError(t, srv.ReplaceMethod(o.Subscription().ID, checkouttest.CardOK))
	require.NoError(t, shop.Upgrade(t.Context(), o.ID, prices[1]))
	o, err = shop.flow.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, prices[1], o.Subscription().Items[0].Price)
	require.EqualValues(t, 2900, o.Invoices[0].Paid+o.Invoices[1].Paid)
}

// A table of members says what the newest order says, whichever is written last.
func TestRemember(t *testing.T) {
	shop, srv := openShop(t)
	_, err := shop.db.ExecContext(t.Context(), `CREATE TABLE members (order_id TEXT PRIMARY KEY, standing TEXT NOT NULL, as_of INTEGER NOT NULL)`)
	require.NoError(t, err)
	url, err := shop.Join(t.Context(), "user-1")
	require.NoError(t, err)
	require.NoError(t, srv.Pay(path.Base(url), checkouttest.CardOK))
	trial, err := shop.flow.Order(t.Context(), "members-user-1-1")
	require.NoError(t, err)
	require.NoError(t, srv.Renew(trial.Subscription().ID))
	active, err := shop.flow.Order(t.Context(), trial.ID)
	require.NoError(t, err)
	for _, o := range []*store.Order{trial, active, trial} {
		require.NoError(t, shop.orders.InTx(t.Context(), func(tx *sql.Tx) error { return Remember(t.Context(), tx, o, o.UpdatedAt) }))
	}
	require.Equal(t, 1, count(t, shop, `SELECT count(*) FROM members WHERE standing = 'active'`))
}

// The members' page is for members: not for a visitor, and not for the buyer of a T-shirt.
func TestMembersPage(t *testing.T) {
	shop, srv := openShop(t)
	gate := members(func(r *http.Request) string { return r.Header.Get("User") })
	visit := func(user string) int {
		r := httptest.NewRequest(http.MethodGet, "/members", nil)
		r.Header.Set("User", user)
		w := httptest.NewRecorder()
		shop.flow.RequireAccess(gate)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		return w.Code
	}
	tee := Session("tee", 1)
	tee.Metadata = map[string]string{"user": "user-1", "plan": "members"}
	started, err := shop.flow.Begin(t.Context(), tee)
	require.NoError(t, err)
	require.NoError(t, srv.Pay(started.SessionID, checkouttest.CardOK))
	require.Equal(t, http.StatusSeeOther, visit("user-1"))
	url, err := shop.Join(t.Context(), "user-1")
	require.NoError(t, err)
	require.NoError(t, srv.Pay(path.Base(url), checkouttest.CardOK))
	require.Equal(t, http.StatusOK, visit("user-1"))
	require.Equal(t, http.StatusSeeOther, visit("user-2"))
	require.Equal(t, http.StatusSeeOther, visit(""))
}
