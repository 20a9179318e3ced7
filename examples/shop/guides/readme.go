package guides

//lint:file-ignore SA4006 README.md leaves out the checks of errors.

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

// The functions of this file are compiled and not run: they are the Go blocks of README.md behind its first.

func readmeDatabase(ctx context.Context) *checkout.Flow[*sql.Tx] {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL")) // import _ "github.com/jackc/pgx/v5/stdlib", or another driver
	must(err)
	db.SetMaxOpenConns(8)                              // on a hot row a small pool is several times faster than a large one
	must(sqlstore.Migrate(ctx, db, sqlstore.Postgres)) // at every start; or give sqlstore.Schema(…) to your own tool
	must(sqlreserver.Migrate(ctx, db, sqlreserver.Postgres))
	st, stock := sqlstore.New(db, sqlstore.Postgres), sqlreserver.New(sqlreserver.Postgres)
	must(st.InTx(ctx, func(tx *sql.Tx) error {
		return stock.SetNew(ctx, tx, "tee-m", 10) // a new product; Adjust adds what comes in
	}))
	flow, err := checkout.New(checkout.Config[*sql.Tx]{
		Stripe:   stripe.NewClient(os.Getenv("STRIPE_SECRET_KEY")),
		Store:    st,
		Reserver: stock,
		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO shipments (order_id, email) VALUES ($1, $2)`, o.ID, o.Customer.Email)
			return err // nil: fulfilled, together with this row; error: rolled back, tried again
		},
		OnChange: func(ctx context.Context, tx *sql.Tx, c checkout.Change) error { // expired, refunded, disputed, renewed …
			_, err := tx.ExecContext(ctx, `INSERT INTO mails (mail_key, order_id, kind) VALUES ($1, $2, $3)`, c.Key, c.Order.ID, c.Kind)
			return err
		},
	})
	must(err)
	return flow
}

func readmeRefund(ctx context.Context, flow *checkout.Flow[*sql.Tx]) error {
	err := flow.Refund(ctx, "order-42", checkout.Refund{Restock: true}) // all that is left, and the goods are back on the shelf
	return err
}

func readmeTypes(hook *webhook.Handler) {
	fmt.Println(strings.Join(hook.ThinTypes(), "\n")) // or hook.Types()
}

func readmeTest(ctx context.Context, hook *webhook.Handler, flow *checkout.Flow[*sql.Tx], session checkout.Session) error {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	// checkout.Config{Stripe: srv.Client(), Clock: srv.Now, …}, webhook.Config{Secrets: []string{srv.WebhookSecret()}, Clock: srv.Now}
	srv.Deliver(hook)
	started, err := flow.Begin(ctx, session)
	err = srv.Pay(started.SessionID, checkouttest.CardDeclined) // a typed error; the customer may try again
	err = srv.Pay(started.SessionID, checkouttest.CardOK)       // returns when the webhooks have been answered
	srv.Advance(24 * time.Hour)                                 // expiry, redelivery: all on this clock
	return err
}

func readmeMembers(mux *http.ServeMux, flow *checkout.Flow[*sql.Tx], userOf func(*http.Request) (string, bool), membersPage http.Handler) {
	members := flow.RequireAccess(checkout.Gate{
		Customer: func(r *http.Request) (store.Query, bool) { // the orders of the user who is logged in
			user, ok := userOf(r)
			return store.Query{Metadata: map[string]string{"user": user}}, ok
		},
		Grace: 7 * 24 * time.Hour, // how long access goes on although a renewal was not paid
		Page:  "/plans",
	})
	mux.Handle("GET /members", members(membersPage))
}

var _, _, _, _, _ = readmeDatabase, readmeRefund, readmeTypes, readmeTest, readmeMembers

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
