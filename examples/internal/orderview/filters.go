package orderview

import "github.com/gofulfil/fulfil/store"

// Filter selects the orders of a page.
type Filter struct {
	Name, Label string
	Query       store.Query
}

// Filters are all filters, the first of which selects all orders.
var Filters = []Filter{
	{"", "All", store.Query{}},
	{"stuck", "Need a person", store.Query{Stuck: true}},
	{"open", "Being paid", store.Query{Status: []store.Status{store.Draft, store.Open, store.Processing}}},
	{"paid", "Paid", store.Query{Status: []store.Status{store.Paid}}},
	{"back", "Refunded or disputed", store.Query{Status: []store.Status{store.PartiallyRefunded, store.Refunded, store.Disputed}}},
	{"over", "Not paid", store.Query{Status: []store.Status{store.Failed, store.Expired, store.Canceled}}},
}

// FilterOf returns the filter of a name, or the first.
func FilterOf(name string) Filter {
	for _, f := range Filters {
		if f.Name == name {
			return f
		}
	}
	return Filters[0]
}
