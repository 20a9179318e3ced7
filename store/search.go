package store

import (
	"maps"
	"slices"
	"strings"
)

// A term is a text by which a backend's index finds the orders of a customer: an e-mail address, a customer's ID at Stripe, or a
// pair of metadata. The parts are separated by a character that none of them contains.
const (
	emailTerm    = "email\x00"
	customerTerm = "customer\x00"
	metadataTerm = "metadata\x00"
)

// Terms returns the terms by which the order can be found, each once.
func (o *Order) Terms() []string {
	var terms []string
	if o.Customer.Email != "" {
		terms = append(terms, emailTerm+foldEmail(o.Customer.Email))
	}
	if o.Customer.ID != "" {
		terms = append(terms, customerTerm+o.Customer.ID)
	}
	for _, key := range slices.Sorted(maps.Keys(o.Metadata)) {
		terms = append(terms, metadataTerm+key+"\x00"+o.Metadata[key])
	}
	return terms
}

// foldEmail makes two spellings of an e-mail address alike that differ in upper and lower case.
func foldEmail(email string) string { return strings.ToLower(email) }

// Terms returns the terms that an order must have to match the query. It is empty if the query names no customer.
func (q Query) Terms() []string {
	return (&Order{Customer: Customer{ID: q.CustomerID, Email: q.Email}, Metadata: q.Metadata}).Terms()
}

// Matches reports whether an order matches the query, apart from its place in the list.
func (q Query) Matches(o *Order) bool {
	switch {
	case len(q.IDs) > 0 && !slices.Contains(q.IDs, o.ID),
		len(q.Status) > 0 && !slices.Contains(q.Status, o.Status()),
		q.Stuck && !o.Stuck(),
		!q.CreatedFrom.IsZero() && Time(o.CreatedAt).Before(q.CreatedFrom),
		!q.CreatedTo.IsZero() && !Time(o.CreatedAt).Before(q.CreatedTo):
		return false
	}
	terms := o.Terms()
	return !slices.ContainsFunc(q.Terms(), func(term string) bool { return !slices.Contains(terms, term) })
}
