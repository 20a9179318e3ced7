package admin_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/admin"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// The pages are mounted behind a login. Everybody who works in the shop sees them, and only the owner refunds.
func Example() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	flow, err := checkout.New(checkout.Config[*memstore.Tx]{
		Stripe: srv.Client(), Store: memstore.New(), Logger: slog.New(slog.DiscardHandler),
		Fulfil: func(context.Context, *memstore.Tx, *store.Order) error { return nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	user := func(r *http.Request) string {
		name, _, _ := r.BasicAuth()
		return name
	}
	login := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, password, _ := r.BasicAuth(); password != "correct horse" {
				w.Header().Set("WWW-Authenticate", `Basic realm="shop"`)
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	pages, err := admin.New(admin.Config{
		Flow:  flow,
		Allow: func(r *http.Request, a admin.Action) bool { return a != admin.Refund || user(r) == "owner" },
		Who:   user,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/", login(http.StripPrefix("/admin", pages)))

	for _, password := range []string{"", "correct horse"} {
		r := httptest.NewRequest(http.MethodGet, "/admin/", nil)
		r.SetBasicAuth("clerk", password)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.Contains(w.Body.String(), "No orders yet."))
	}
	// Output:
	// 401 false
	// 200 true
}
