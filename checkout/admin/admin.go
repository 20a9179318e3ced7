// Package admin has pages for the people who run a shop: orders with all that is known of them, those that need a person first, what
// happens next and why, stock, and how the shop runs. [New] returns an [http.Handler] to mount behind the merchant's own login:
//
//	pages, err := admin.New(admin.Config{
//		Flow:  flow,
//		Allow: func(r *http.Request, a admin.Action) bool { return a != admin.Refund || isOwner(r) },
//		Who:   func(r *http.Request) string { return userID(r) },
//	})
//	mux.Handle("/admin/", login(http.StripPrefix("/admin", pages)))
//
// The handler has no login of its own. Its pages show names and addresses: whoever reaches the handler sees them.
//
// The pages need no JavaScript, and their Content-Security-Policy allows none. They work on every Store. Stock is shown if the
// Reserver has a method Stock like that of sqlreserver, and can be changed if it has a method Adjust.
//
// # What is allowed
//
// All pages only show, unless [Config.Allow] allows an [Action]. Each action has a page that says what it does before it is done.
// Requests of other sites are refused by [http.CrossOriginProtection]. For browsers of before 2023, a proxy in front must pass the
// Host on as it is.
//
// A form that is sent twice refunds once, and adjusts stock once.
//
// # What is recorded
//
// Each action is one line of the log, also when it failed or was not allowed: "admin action" with the keys action, order or sku, who,
// what the form said, and the error. Who is what [Config.Who] returns. The order itself keeps what was decided and when, and not by
// whom. Searches are not logged, and no search is part of an address, as it may be an e-mail address.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// Config is what [New] needs. Flow must be set.
type Config struct {
	// Flow leads the orders: a *checkout.Flow. Required.
	Flow Flow
	// Allow says whether whoever sent a request may do something. It is asked before an action is shown and before it is done.
	// Default: nobody may do anything, and the pages only show.
	Allow func(r *http.Request, a Action) bool
	// Who names the person who sent a request, for the log. So it should be a name or an ID that the log may hold. Default: the log
	// names nobody.
	Who func(r *http.Request) string
	// Check looks at the database, for the page about how the shop runs, such as sqlstore.Check and sqlreserver.Check. Its error is
	// shown. Default: the page says nothing about the database.
	Check func(ctx context.Context) error
	// Logger receives a line for each action. Default: slog.Default().
	Logger *slog.Logger
}

// Flow is what the pages use of a *[checkout.Flow]. A Flow of any Tx has these methods.
type Flow interface {
	Order(ctx context.Context, id string) (*store.Order, error)
	FindRef(ctx context.Context, ref string) (*store.Order, error)
	List(ctx context.Context, q store.Query) ([]*store.Order, error)
	Next(o *store.Order) []checkout.Step
	Now() time.Time
	Health(ctx context.Context) (checkout.Health, error)
	FailedEvents(ctx context.Context) ([]checkout.FailedEvent, error)
	Stock(ctx context.Context, skus ...string) ([]reservation.Stock, error)

	Settle(ctx context.Context, sessionID string) (*store.Order, error)
	SettleSubscription(ctx context.Context, orderID string) (*store.Order, error)
	Resolve(ctx context.Context, id string, r checkout.Resolution) error
	Cancel(ctx context.Context, id string) error
	Refund(ctx context.Context, id string, r checkout.Refund) error
	AdjustStock(ctx context.Context, seen reservation.Stock, delta int64) error
}

// maxForm is the number of bytes that a form may have.
const maxForm = 16 << 10

// pages is the handler.
type pages struct {
	Config
}

// New returns the pages. It is mounted with [http.StripPrefix], behind a login. Its error names the field of c that can't be used.
func New(c Config) (http.Handler, error) {
	if c.Flow == nil {
		return nil, errors.New("admin: Config.Flow is nil")
	}
	if c.Allow == nil {
		c.Allow = func(*http.Request, Action) bool { return false }
	}
	if c.Who == nil {
		c.Who = func(*http.Request) string { return "" }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	p := &pages{c}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.showOrders)
	mux.HandleFunc("POST /search", p.search)
	mux.HandleFunc("GET /orders/{id}", p.showOrder)
	mux.HandleFunc("GET /orders/{id}/{action}", p.confirmAction)
	mux.HandleFunc("POST /orders/{id}/{action}", p.doAction)
	mux.HandleFunc("GET /stock", p.showStock)
	mux.HandleFunc("GET /stock/adjust", p.confirmAdjust)
	mux.HandleFunc("POST /stock/adjust", p.doAdjust)
	mux.HandleFunc("GET /health", p.showHealth)
	mux.HandleFunc("GET /style.css", serveStyle)
	mux.HandleFunc("/", p.notFound)

	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.message(w, r, http.StatusForbidden, "This came from another site", "Nothing was done. Open the page here, and send its form again.")
	}))
	return withSlash(protection.Handler(http.MaxBytesHandler(mux, maxForm))), nil
}

// withSlash leads from the address of the pages without a slash at its end to the one with it. Routers other than http.ServeMux pass
// such a request on, with a path that StripPrefix made empty. The links of the pages are relative, so the slash is needed.
func withSlash(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "" {
			pages.ServeHTTP(w, r)
			return
		}
		whole, _, _ := strings.Cut(r.RequestURI, "?")
		w.Header().Set("Location", "./"+path.Base(whole)+"/") // relative, as a proxy may strip a prefix, too
		w.WriteHeader(http.StatusPermanentRedirect)
	})
}
