package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

const (
	ordersOnPage = 25
	stuckOnPage  = 10 // above the list of all orders
	maxSearch    = 512
)

// filter selects the orders of a page.
type filter struct {
	Name, Label string
	query       store.Query
}

// filters are all filters, the first of which selects all orders.
var filters = []filter{
	{"", "All", store.Query{}},
	{"stuck", "Need a person", store.Query{Stuck: true}},
	{"open", "Being paid", store.Query{Status: []store.Status{store.Draft, store.Open, store.Processing}}},
	{"paid", "Paid", store.Query{Status: []store.Status{store.Paid}}},
	{"back", "Refunded or disputed", store.Query{Status: []store.Status{store.PartiallyRefunded, store.Refunded, store.Disputed}}},
	{"over", "Not paid", store.Query{Status: []store.Status{store.Failed, store.Expired, store.Canceled}}},
}

func filterOf(name string) filter {
	for _, f := range filters {
		if f.Name == name {
			return f
		}
	}
	return filters[0]
}

// ordersPage is a list of orders.
type ordersPage struct {
	Filters []filter
	Shown   filter
	Health  health
	// Stuck are the orders above the list, and MoreStuck says that there are others.
	Stuck     []stuckOrder
	MoreStuck bool
	Orders    []*store.Order
	Paged     bool   // this is not the first page
	Older     string // the address of the next page; empty: there is none, or it is a search
	// Search is what was searched for. Before and ID begin the next page of a search.
	Search, Before, ID string
}

// stuckOrder is an order that needs a person, with what helps.
type stuckOrder struct {
	*store.Order
	Reason  string
	Failure string // the error that the reason counts; empty: it counts none
	Advice  string
	Mending []orderAction
}

func (p *pages) stuck(r *http.Request, o *store.Order) stuckOrder {
	reason := o.StuckReason()
	advice := adviceFor(o, reason)
	s := stuckOrder{Order: o, Reason: reason, Advice: advice.Text, Mending: advice.mending(p.actions(r, o))}
	switch advice.lane {
	case fulfilling:
		s.Failure = o.Delivery.LastError
	case telling:
		s.Failure = o.ChangeDelivery.LastError
	}
	return s
}

// showOrders lists the orders, on the first page those before all others that need a person.
func (p *pages) showOrders(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	data := ordersPage{Filters: filters, Shown: filterOf(form.Get("show"))}
	q := data.Shown.query
	q.After = position(form)
	data.Paged = q.After != store.Position{}
	last, err := p.list(r.Context(), q, &data)
	if err == nil && data.Shown.Name == "" && !data.Paged {
		err = p.listStuck(r, &data)
	}
	if err == nil {
		data.Health, err = p.health(r.Context())
	}
	if err != nil {
		p.failed(w, r, err)
		return
	}
	if last != nil {
		data.Older = "?" + url.Values{"show": {data.Shown.Name}, "before": {last.CreatedAt.Format(time.RFC3339Nano)}, "id": {last.ID}}.Encode()
	}
	p.render(w, r, http.StatusOK, "orders", page{Title: "Orders", Here: "orders", Data: data})
}

// list reads a page of orders, the newest first. last is its last order if there are more.
func (p *pages) list(ctx context.Context, q store.Query, data *ordersPage) (last *store.Order, err error) {
	q.Newest, q.Limit = true, ordersOnPage+1 // one more says whether there is another page
	data.Orders, err = p.Flow.List(ctx, q)
	if len(data.Orders) > ordersOnPage {
		data.Orders = data.Orders[:ordersOnPage]
		last = data.Orders[ordersOnPage-1]
	}
	return last, err
}

// listStuck reads the orders that need a person, those that wait longest first.
func (p *pages) listStuck(r *http.Request, data *ordersPage) error {
	orders, err := p.Flow.List(r.Context(), store.Query{Stuck: true, Limit: stuckOnPage + 1})
	if len(orders) > stuckOnPage {
		orders, data.MoreStuck = orders[:stuckOnPage], true
	}
	for _, o := range orders {
		data.Stuck = append(data.Stuck, p.stuck(r, o))
	}
	return err
}

// position is where a page begins.
func position(form url.Values) store.Position {
	at, err := time.Parse(time.RFC3339Nano, form.Get("before"))
	if err != nil {
		return store.Position{}
	}
	return store.Position{CreatedAt: at, ID: form.Get("id")}
}

// search finds orders by their ID, a customer's e-mail address, or an ID of Stripe's. It is a POST, so that no e-mail address gets
// into the logs of servers and the history of a browser.
func (p *pages) search(w http.ResponseWriter, r *http.Request) {
	if !p.parse(w, r) {
		return
	}
	text := strings.TrimSpace(r.PostFormValue("q"))
	if text == "" {
		redirect(w, "./")
		return
	}
	data := ordersPage{Filters: filters, Search: text}
	valid := len(text) <= maxSearch && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
	switch {
	case !valid: // no order has it
	case strings.Contains(text, "@"), strings.HasPrefix(text, "cus_"):
		q := store.Query{Email: text, After: position(r.PostForm)}
		if !strings.Contains(text, "@") {
			q.Email, q.CustomerID = "", text
		}
		last, err := p.list(r.Context(), q, &data)
		if err != nil {
			p.failed(w, r, err)
			return
		}
		if last != nil {
			data.Before, data.ID = last.CreatedAt.Format(time.RFC3339Nano), last.ID
		}
	default:
		o, err := p.find(r.Context(), text)
		if err == nil {
			redirect(w, "orders/"+url.PathEscape(o.ID))
			return
		}
		if !errors.Is(err, checkout.ErrNotFound) {
			p.failed(w, r, err)
			return
		}
	}
	p.render(w, r, http.StatusOK, "search", page{Title: "Search", Here: "orders", Data: data})
}

// find returns the order of an ID, of its own or of Stripe's.
func (p *pages) find(ctx context.Context, id string) (*store.Order, error) {
	o, err := p.Flow.Order(ctx, id)
	if errors.Is(err, checkout.ErrNotFound) {
		return p.Flow.FindRef(ctx, id)
	}
	return o, err
}
