package checkout

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Gate says who passes [Flow.RequireAccess].
type Gate struct {
	// Customer returns a query for the orders of the customer who makes the request: by Email, CustomerID or Metadata. It returns
	// false if nobody is logged in. A query that names no customer, or has an empty value of metadata, finds nobody. Required.
	Customer func(r *http.Request) (store.Query, bool)
	// Accept says which of the customer's orders can give access, for example those whose [store.Order.Subscription] has a price. The
	// metadata of an order does not change with its plan. If Accept accepts an order without a subscription, the payment of that order
	// gives access for ever. Default: orders with a subscription.
	Accept func(o *store.Order) bool
	// Grace is how long access goes on although a renewal was not paid. Cards are tried again for up to two months, and debits
	// take days (https://docs.stripe.com/billing/revenue-recovery/smart-retries). Default: no grace.
	Grace time.Duration
	// Page is where a customer without access is sent, with 303 See Other. Default: the answer is 402 Payment Required.
	Page string
}

// RequireAccess returns a middleware that lets requests pass whose customer has access by one of the orders that match the query and
// that g accepts: see [store.Order.Access]. Of a customer with many orders the latest 1000 count, or as many as the query's Limit says.
// The handler finds the order with [OrderOf]. If the Store fails, the answer is 500. It panics if g.Customer is nil.
func (f *Flow[Tx]) RequireAccess(g Gate) func(http.Handler) http.Handler {
	if g.Customer == nil {
		panic("checkout: Gate.Customer is nil")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o, err := f.OrderWithAccess(r, g)
			switch {
			case err != nil:
				f.log.Error("access could not be read", "error", err)
				http.Error(w, "access could not be read", http.StatusInternalServerError)
			case o != nil:
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), orderKey{}, o)))
			case g.Page != "":
				w.Header().Set("Cache-Control", "no-store")
				http.Redirect(w, r, g.Page, http.StatusSeeOther)
			default:
				w.Header().Set("Cache-Control", "no-store")
				http.Error(w, "payment required", http.StatusPaymentRequired)
			}
		})
	}
}

// OrderWithAccess returns the latest order that gives the customer of a request access, as [Flow.RequireAccess] decides it, or
// nil. A page asks it that looks different for members, or that must not sell a second subscription. Errors are the Store's.
func (f *Flow[Tx]) OrderWithAccess(r *http.Request, g Gate) (*store.Order, error) {
	q, ok := g.Customer(r)
	if !ok || !namesCustomer(q) {
		return nil, nil
	}
	q.Newest = true
	now, accept := f.now(), g.Accept
	if accept == nil {
		accept = func(o *store.Order) bool { return subscriptionOfOrder(o) != "" }
	}
	for looked := 0; ; {
		orders, err := f.store.List(r.Context(), q)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(orders, func(o *store.Order) bool { return o.Access(now, g.Grace).Granted && accept(o) })
		if i >= 0 {
			return orders[i], nil
		}
		looked += len(orders)
		if len(orders) < q.PageSize() || q.Limit > 0 || looked >= accessOrders {
			return nil, nil
		}
		last := orders[len(orders)-1]
		q.After = store.Position{CreatedAt: last.CreatedAt, ID: last.ID}
	}
}

// accessOrders is how many orders of a customer are looked at, a page at a time. A customer can begin any number of orders.
const accessOrders = 1000

// subscriptionOfOrder is the ID of the order's subscription, for which Stripe may not have been asked yet; empty: the payment of the
// order began none.
func subscriptionOfOrder(o *store.Order) string {
	if s := o.Subscription(); s != nil {
		return s.ID
	}
	if paid := o.PaidAttempt(); paid != nil {
		return paid.Subscription
	}
	return ""
}

// namesCustomer reports whether a query is for the orders of one customer. A query without a name, as of a request whose user
// is not known, would find the orders of others.
func namesCustomer(q store.Query) bool {
	for _, value := range q.Metadata {
		if value == "" {
			return false
		}
	}
	return q.Email != "" || q.CustomerID != "" || len(q.Metadata) > 0
}

// orderKey is the key of the order that RequireAccess puts into the context of a request.
type orderKey struct{}

// OrderOf returns the order that gave the customer of a request access, or nil if the request did not pass
// [Flow.RequireAccess]. The order must not be changed.
func OrderOf(ctx context.Context) *store.Order {
	o, _ := ctx.Value(orderKey{}).(*store.Order)
	return o
}
