package guides

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/stripe/stripe-go/v82"
	stripewebhook "github.com/stripe/stripe-go/v82/webhook"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/webhook"
)

// handWritten is the handler that most shops begin with.
func handWritten(db *sql.DB, secret string, ship func(orderID string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		event, err := stripewebhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), secret)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var session stripe.CheckoutSession
		_ = json.Unmarshal(event.Data.Raw, &session)
		switch event.Type {
		case "checkout.session.completed":
			_, _ = db.Exec(`UPDATE orders SET paid = true WHERE id = $1`, session.ClientReferenceID)
			_ = ship(session.ClientReferenceID)
		case "checkout.session.expired":
			_, _ = db.Exec(`UPDATE products SET stock = stock + 1 WHERE sku = $1`, session.Metadata["sku"])
		}
	}
}

// alsoOld passes sessions that the old code began to the old code. Take it out a day after the last of them was begun, or when
// the last of their debits has arrived.
func (s *Shop) alsoOld(old func(ctx context.Context, session *stripe.CheckoutSession) error) {
	webhook.On(s.hook, webhook.CheckoutSessionCompleted, func(ctx context.Context, e *webhook.Event[stripe.CheckoutSession]) error {
		_, err := s.flow.Order(ctx, e.Object.ClientReferenceID)
		if errors.Is(err, checkout.ErrNotFound) {
			return old(ctx, &e.Object)
		}
		return err // nil: an order of the Flow's
	})
}

// Buy begins the visitor's order. A random cookie makes the visitor its owner, so that a second click finds the same session. The
// order's ID is a hash of the cookie, because IDs of orders stand in addresses and in logs.
func (s *Shop) Buy(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie("cart")
	if err != nil {
		cookie = newCart(w)
	}
	started, err := s.flow.Begin(r.Context(), Session(orderOf(cookie), 1))
	if errors.Is(err, checkout.ErrAlreadyPaid) || errors.Is(err, checkout.ErrProcessing) || errors.Is(err, checkout.ErrCanceled) {
		started, err = s.flow.Begin(r.Context(), Session(orderOf(newCart(w)), 1)) // that order is done: this is the next one
	}
	if err != nil {
		http.Error(w, "Checkout is not available.", http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, started.URL, http.StatusSeeOther)
}

func newCart(w http.ResponseWriter) *http.Cookie {
	cookie := &http.Cookie{Name: "cart", Value: rand.Text(), Path: "/", MaxAge: 30 * 24 * 3600, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode}
	http.SetCookie(w, cookie)
	return cookie
}

func orderOf(cookie *http.Cookie) string {
	return fmt.Sprintf("%.26x", sha256.Sum256([]byte(cookie.Value)))
}
