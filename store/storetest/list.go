package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/store"
)

func listChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "List/pages by time of creation and then by ID", fn: (*kit[Tx]).listPages},
		{name: "List/by status", fn: (*kit[Tx]).listStatus},
		{name: "List/stuck orders", fn: (*kit[Tx]).listStuck},
		{name: "List/the orders of a customer", fn: (*kit[Tx]).listCustomer},
		{name: "List/by time of creation", fn: (*kit[Tx]).listCreated},
		{name: "List/by ID", fn: (*kit[Tx]).listIDs},
	}
}

// list returns the IDs of a page.
func (k *kit[Tx]) list(q store.Query) []string {
	k.Helper()
	orders, err := k.st.List(k.ctx, q)
	if err != nil {
		k.Fatalf("List(%+v) returned: %v", q, err)
	}
	ids := []string{}
	for _, o := range orders {
		ids = append(ids, o.ID)
	}
	return ids
}

func (k *kit[Tx]) lists(q store.Query, why string, want ...string) {
	k.Helper()
	if got := k.list(q); !slices.Equal(got, want) {
		k.Errorf("%s: List(%+v) must return the orders %q; it returned %q", why, q, want, got)
	}
}

func (k *kit[Tx]) listPages() {
	k.lists(store.Query{}, "there are no orders")
	var want []string
	for i := range 13 {
		want = append(want, fmt.Sprintf("order-%02d", i))
	}
	for _, i := range []int{5, 0, 12, 3, 4, 1, 11, 2, 8, 10, 9, 6, 7} {
		o := order(want[i])
		o.CreatedAt = base.Add(time.Duration(i/3) * time.Microsecond) // three orders at each time
		k.insert(o)
	}
	for _, limit := range []int{1, 2, 3, 4, 12, 13, 14} {
		k.pages(store.Query{Limit: limit}, want)
	}
	newest := slices.Clone(want)
	slices.Reverse(newest)
	for _, limit := range []int{1, 4, 13} {
		k.pages(store.Query{Limit: limit, Newest: true}, newest)
	}
	k.lists(store.Query{After: store.Position{CreatedAt: base, ID: "order-00x"}, Limit: 2},
		"a page may begin behind an order that does not exist", "order-01", "order-02")
	k.lists(store.Query{After: store.Position{CreatedAt: base, ID: "order-01x"}, Newest: true},
		"a page of the newest may begin behind an order that does not exist", "order-01", "order-00")
}

// pages reads all pages of q and compares their orders with want.
func (k *kit[Tx]) pages(q store.Query, want []string) {
	limit := q.Limit
	var got []string
	for {
		page, err := k.st.List(k.ctx, q)
		if err != nil {
			k.Fatalf("List(%+v) returned: %v", q, err)
		}
		if len(page) > limit {
			k.Fatalf("a page must have at most %d orders; one has %d", limit, len(page))
		}
		if len(page) == 0 {
			break
		}
		for _, o := range page {
			got = append(got, o.ID)
		}
		if len(got) > len(want) {
			break
		}
		last := page[len(page)-1]
		q.After = store.Position{CreatedAt: last.CreatedAt, ID: last.ID}
	}
	if !slices.Equal(got, want) {
		k.Errorf("pages of %d must show each order once, by time of creation and then by ID: %q; they showed %q", limit, want, got)
	}
}

func (k *kit[Tx]) listStatus() {
	open := store.Attempt{N: 1}
	canceled := order("4-canceled")
	canceled.CancelRequestedAt = base
	k.insert(
		order("1-draft"), withRefs("2-open", open), withRefs("3-paid", store.Attempt{N: 1, Completed: true, Paid: true}),
		canceled, withRefs("5-expired", store.Attempt{N: 1, Expired: true}), withRefs("6-open", open),
	)
	by := func(status ...store.Status) store.Query { return store.Query{Status: status} }
	k.lists(by(store.Draft), "by one status", "1-draft")
	k.lists(by(store.Open), "by one status", "2-open", "6-open")
	k.lists(by(store.Canceled), "by one status", "4-canceled")
	k.lists(by(store.Paid, store.Expired), "by several statuses", "3-paid", "5-expired")
	k.lists(by(store.Refunded), "by a status that no order has")
	k.lists(by("nonsense"), "by a status that does not exist")
	k.lists(store.Query{Status: []store.Status{store.Open}, Limit: 1, After: store.Position{CreatedAt: base, ID: "2-open"}}, "a status, paged", "6-open")
	k.inTx(func(tx Tx) error {
		err := k.updateIn(tx, "2-open", func(o *store.Order) { o.Attempts[0].Expired = true })
		k.lists(by(store.Open), "before the commit of another status", "2-open", "6-open")
		return err
	})
	k.lists(by(store.Open), "after the commit of another status", "6-open")
	k.lists(by(store.Expired), "after the commit of another status", "2-open", "5-expired")
}

func (k *kit[Tx]) listIDs() {
	stuck := order("3")
	stuck.ChangeDelivery.Tries = store.StuckAfter
	late, customers := order("1-late"), order("4")
	late.CreatedAt = base.Add(time.Second)
	customers.Metadata = map[string]string{"user": "7"}
	k.insert(order("2"), late, stuck, customers, order("5"))
	k.lists(store.Query{IDs: []string{"1-late", "5", "none", "3", "5", ""}}, "by ID, some of which are unknown or given twice", "3", "5", "1-late")
	k.lists(store.Query{IDs: []string{"none"}}, "by an ID that is unknown")
	k.lists(store.Query{IDs: []string{"1-late", "3", "4"}, Newest: true, Limit: 2}, "a page of the newest", "1-late", "4")
	k.lists(store.Query{IDs: []string{"2", "3"}, Stuck: true}, "by ID and stuck", "3")
	k.lists(store.Query{IDs: []string{"2", "3"}, Status: []store.Status{store.Canceled}}, "by ID and a status that none has")
	k.lists(store.Query{IDs: []string{"2", "4"}, Metadata: map[string]string{"user": "7"}}, "by ID and metadata", "4")
	k.lists(store.Query{IDs: []string{"1-late", "2"}, CreatedFrom: base.Add(time.Second)}, "by ID and time of creation", "1-late")
	k.pages(store.Query{IDs: []string{"1-late", "5", "2"}, Limit: 1}, []string{"2", "5", "1-late"})
}

func (k *kit[Tx]) listStuck() {
	paid := func(id string) *store.Order { return withRefs(id, store.Attempt{N: 1, Paid: true}) }
	parked, short, tried, trying := paid("1-parked"), paid("2-short"), order("3-tried"), order("4-trying")
	parked.Parked = "the currency does not agree"
	short.Shortfall = []store.Shortage{{SKU: "tee-m", Wanted: 1}}
	tried.ChangeDelivery.Tries = store.StuckAfter
	trying.ChangeDelivery.Tries = store.StuckAfter - 1
	k.insert(parked, short, tried, trying, order("5-fine"))
	k.lists(store.Query{Stuck: true}, "stuck orders", "1-parked", "2-short", "3-tried")
	k.lists(store.Query{Stuck: true, Status: []store.Status{store.Paid}}, "stuck orders that are paid", "1-parked", "2-short")
	if err := k.update("1-parked", func(o *store.Order) { o.Parked = "" }); err != nil {
		k.Fatalf("Save returned: %v", err)
	}
	k.lists(store.Query{Stuck: true}, "after an order is no longer stuck", "2-short", "3-tried")
	k.lists(store.Query{}, "all", "1-parked", "2-short", "3-tried", "4-trying", "5-fine")
}

func (k *kit[Tx]) listCustomer() {
	of := func(id, email, customer, user string) *store.Order {
		o := withRefs(id, store.Attempt{N: 1, Completed: true, Paid: true})
		o.Customer = store.Customer{ID: customer, Email: email}
		o.Metadata = map[string]string{"user": user, "shop": "9"}
		return o
	}
	draft := of("4-draft", "zoe@example.com", "", "7")
	draft.Attempts = nil
	k.insert(
		of("1-zoe", "zoe@example.com", "cus_1", "7"), of("2-Zoe", "Zoë@Example.com", "cus_1", "7"),
		of("3-other", "other@example.com", "cus_2", "8"), draft, order("5-nobody"),
	)
	k.lists(store.Query{Email: "ZOE@example.com"}, "by e-mail address, in any case", "1-zoe", "4-draft")
	k.lists(store.Query{Email: "zoë@example.com"}, "by e-mail address, which is not taken for one with another letter", "2-Zoe")
	k.lists(store.Query{Email: "zoe@example"}, "by a part of an e-mail address")
	k.lists(store.Query{CustomerID: "cus_1"}, "by the customer's ID", "1-zoe", "2-Zoe")
	k.lists(store.Query{CustomerID: "CUS_1"}, "a customer's ID is told apart byte by byte")
	user := func(id string) map[string]string { return map[string]string{"user": id} }
	k.lists(store.Query{Metadata: user("7")}, "by metadata", "1-zoe", "2-Zoe", "4-draft")
	k.lists(store.Query{Metadata: map[string]string{"shop": "9", "user": "8"}}, "by two pairs of metadata", "3-other")
	k.lists(store.Query{Metadata: map[string]string{"shop": "7"}}, "a value belongs to its key")
	k.lists(store.Query{Metadata: user("7"), CustomerID: "cus_1", Newest: true}, "by metadata and customer's ID", "2-Zoe", "1-zoe")
	k.lists(store.Query{Metadata: user("7"), Status: []store.Status{store.Paid}}, "by metadata and status", "1-zoe", "2-Zoe")
	k.pages(store.Query{Metadata: user("7"), Limit: 1}, []string{"1-zoe", "2-Zoe", "4-draft"})
	k.pages(store.Query{Metadata: user("7"), Status: []store.Status{store.Draft}, Limit: 1}, []string{"4-draft"})
	no := errors.New("no")
	err := k.st.InTx(k.ctx, func(tx Tx) error {
		return errors.Join(k.updateIn(tx, "5-nobody", func(o *store.Order) { o.Metadata = user("7") }), no)
	})
	if !errors.Is(err, no) {
		k.Fatalf("InTx must return its function's error so that errors.Is finds it; it returned: %v", err)
	}
	k.lists(store.Query{Metadata: user("7"), Newest: true, Limit: 1}, "after the transaction of another order was rolled back", "4-draft")
	if err := k.update("1-zoe", func(o *store.Order) { o.Customer.Email, o.Metadata = "new@example.com", nil }); err != nil {
		k.Fatalf("Save returned: %v", err)
	}
	k.lists(store.Query{Email: "zoe@example.com"}, "after the address of an order changed", "4-draft")
	k.lists(store.Query{Email: "new@example.com"}, "by the new address", "1-zoe")
	k.lists(store.Query{Metadata: user("7")}, "after the metadata of an order changed", "2-Zoe", "4-draft")
	if err := k.update("1-zoe", (*store.Order).Erase); err != nil {
		k.Fatalf("Save returned: %v", err)
	}
	k.lists(store.Query{Email: "new@example.com"}, "after the order was erased")
	if err := k.deletes(nil, "2-Zoe"); err != nil {
		k.Fatalf("Delete returned: %v", err)
	}
	k.insert(order("2-Zoe"))
	k.lists(store.Query{Metadata: user("7")}, "after an order was deleted, and its ID was used again", "4-draft")
}

func (k *kit[Tx]) listCreated() {
	for i, id := range []string{"a", "b", "c", "d"} {
		o := order(id)
		o.CreatedAt = base.Add(time.Duration(i) * time.Hour)
		k.insert(o)
	}
	at := func(i int) time.Time { return base.Add(time.Duration(i) * time.Hour).In(time.FixedZone("far", 7*3600)) }
	k.lists(store.Query{CreatedFrom: at(1)}, "created at or after the second", "b", "c", "d")
	k.lists(store.Query{CreatedTo: at(2)}, "created before the third", "a", "b")
	k.lists(store.Query{CreatedFrom: at(1), CreatedTo: at(3)}, "created at or after the second and before the fourth", "b", "c")
	k.lists(store.Query{CreatedFrom: at(1), After: store.Position{CreatedAt: at(1), ID: "b"}, Limit: 1}, "the second page", "c")
	k.lists(store.Query{CreatedFrom: at(2), CreatedTo: at(2)}, "an empty span of time")
}
