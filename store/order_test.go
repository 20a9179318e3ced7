package store_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/storetest"
)

func TestRefs(t *testing.T) {
	t.Parallel()
	o := &store.Order{Attempts: []store.Attempt{
		{}, {SessionID: "cs_1", PaymentIntent: "pi_1", Charge: "ch_1", Subscription: "sub_1"},
		{SessionID: "cs_2", PaymentIntent: "pi_1", Subscription: "sub_1"},
	}}
	require.Equal(t, []string{"cs_1", "pi_1", "ch_1", "sub_1", "cs_2"}, o.Refs())
	require.Empty(t, new(store.Order).Refs())
}

func TestEncodeKeepsEveryField(t *testing.T) {
	t.Parallel()
	o := storetest.FullOrder("order-1")
	requireNothingZero(t, reflect.ValueOf(*o), "Order")
	data, err := o.Encode()
	require.NoError(t, err)
	back, err := store.DecodeOrder(data)
	require.NoError(t, err)
	require.Equal(t, o, back)
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	o := storetest.FullOrder("order-1")
	c := o.Clone()
	require.Equal(t, o, c)
	requireNothingShared(t, reflect.ValueOf(*o), reflect.ValueOf(*c), "Order")
	require.Equal(t, &store.Order{}, (&store.Order{}).Clone())
}

func requireNothingShared(t *testing.T, a, b reflect.Value, path string) {
	t.Helper()
	switch a.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		if a.Type() != reflect.TypeFor[*time.Location]() {
			require.NotEqual(t, a.Pointer(), b.Pointer(), "%s is shared", path)
		}
	}
	switch {
	case a.Type() == reflect.TypeFor[time.Time]():
	case a.Kind() == reflect.Pointer:
		requireNothingShared(t, a.Elem(), b.Elem(), path)
	case a.Kind() == reflect.Struct:
		for i := range a.NumField() {
			if !a.Type().Field(i).IsExported() {
				continue // stored, which is never changed
			}
			requireNothingShared(t, a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name)
		}
	case a.Kind() == reflect.Slice:
		for i := range a.Len() {
			requireNothingShared(t, a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// reencoded returns the order as a backend returns it that encodes orders.
func reencoded(t *testing.T, o *store.Order) *store.Order {
	t.Helper()
	data, err := o.Encode()
	require.NoError(t, err)
	back, err := store.DecodeOrder(data)
	require.NoError(t, err)
	return back
}

// requireNothingZero checks that FullOrder sets every field. Other tests rely on that, too.
func requireNothingZero(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	require.False(t, v.IsZero(), path)
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
	case v.Kind() == reflect.Pointer:
		requireNothingZero(t, v.Elem(), path)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			requireNothingZero(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		for i := range v.Len() {
			requireNothingZero(t, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

func TestEncodeTimes(t *testing.T) {
	t.Parallel()
	far := time.Date(2026, 3, 1, 3, 0, 0, 1999, time.FixedZone("far", -9*3600))
	o := &store.Order{ID: "a", DueAt: far, Attempts: []store.Attempt{{PaidAt: far, Quote: &store.Quote{}}}, Notices: []store.Notice{{At: far}}}
	back := reencoded(t, o)
	want := time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC)
	require.Equal(t, []time.Time{want, want, want}, []time.Time{back.DueAt, back.Attempts[0].PaidAt, back.Notices[0].At})
	require.True(t, back.FulfilledAt.IsZero())
	require.True(t, store.Time(time.Time{}).IsZero())
}

func TestEncodeRefusesWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	o := &store.Order{ID: "a", Session: json.RawMessage(`{`)}
	_, err := o.Encode()
	require.ErrorContains(t, err, "encode order a")
	_, err = store.DecodeOrder([]byte(`{"id":`))
	require.Error(t, err)
}

func TestEncodeKeepsTheSessionAsSent(t *testing.T) {
	t.Parallel()
	sent := `{"amount":9007199254740993,"html":"<a&b>","none":null}`
	back := reencoded(t, &store.Order{ID: "a", Session: json.RawMessage(sent)})
	require.Equal(t, sent, string(back.Session))
}

// bookkeeping lists the fields that Erase leaves, by path. A new field must be erased or be listed here.
var bookkeeping = []string{
	"ID", "CreatedAt", "UpdatedAt", "Mode", "Currency", "Lines", "Metadata", "Account", "Livemode", "CancelRequestedAt",
	"Refunds", "Disputes", "Amounts", "Customer.ID", "FulfilledAt", "Shortfall", "Parked", "Notices", "DueAt", "GivenUpAt",
	"Delivery.Token", "Delivery.LeasedUntil", "Delivery.Tries", "Delivery.NextAt", "Delivery.Rollbacks", "ChangeDelivery.Rollbacks",
	"Attempts.N", "Attempts.CreatedAt", "Attempts.Lines", "Attempts.Metadata", "Attempts.Fingerprint", "Attempts.ExpiresAt", "Attempts.PayBy",
	"Attempts.Replaces", "Attempts.Hold", "Attempts.Increase", "Attempts.SessionID", "Attempts.Quote", "Attempts.PaymentIntent",
	"Attempts.Charge", "Attempts.Subscription", "Attempts.ClosedAt", "Attempts.Completed", "Attempts.Paid", "Attempts.Failed",
	"Attempts.Expired", "Attempts.PaidAt", "Attempts.Mismatch", "Attempts.Duplicate", "Attempts.RefundWanted", "Attempts.CheckedAt",
	"ErasedAt", "ErasedAttempts", "ChangeDelivery.Token", "ChangeDelivery.LeasedUntil", "ChangeDelivery.Tries", "ChangeDelivery.NextAt",
	"Attempts.Mark", "Attempts.CompletedAt", "Attempts.Amount", "Attempts.Currency", "Attempts.AcceptedAt", "Attempts.DismissedAt", "Attempts.RefundRefused", "Attempts.RefundRetries",
	"Attempts.CheckFailedAt", "Attempts.HeardAt", "Attempts.VerifiedAt", "Attempts.VerifyFailedAt", "Attempts.Gone", "Attempts.Destination", "Attempts.ApplicationFee",
	"Attempts.Recoverable", "RestockedAt", "Attempts.RefundAskedAt", "Attempts.Review", "Attempts.ReviewClosed", "Subscriptions", "Invoices", "OlderInvoices",
}

func TestEraseLeavesNoPersonalData(t *testing.T) {
	t.Parallel()
	o, before := storetest.FullOrder("order-1"), storetest.FullOrder("order-1")
	o.Erase()
	kept := map[string]bool{}
	var walk func(got, was reflect.Value, path string)
	walk = func(got, was reflect.Value, path string) {
		for _, name := range bookkeeping {
			if path == name {
				kept[name] = true
				require.Equal(t, was.Interface(), got.Interface(), "%s is bookkeeping and stays", path)
				return
			}
		}
		switch {
		case path == "" || path == "Customer" || path == "Delivery" || path == "ChangeDelivery":
			for i := range got.NumField() {
				walk(got.Field(i), was.Field(i), strings.TrimPrefix(path+"."+got.Type().Field(i).Name, "."))
			}
		case path == "Attempts":
			require.Equal(t, was.Len(), got.Len())
			for n := range got.Len() {
				for i := range got.Index(n).NumField() {
					walk(got.Index(n).Field(i), was.Index(n).Field(i), path+"."+got.Index(n).Type().Field(i).Name)
				}
			}
		default:
			require.True(t, got.IsZero(), "%s is neither erased nor listed as bookkeeping", path)
		}
	}
	walk(reflect.ValueOf(*o), reflect.ValueOf(*before), "")
	require.Len(t, kept, len(bookkeeping), "bookkeeping lists a field that does not exist")
}

func TestFulfillable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(o *store.Order)
		want   bool
	}{
		"paid":               {func(*store.Order) {}, true},
		"refunded in part":   {func(o *store.Order) { o.Refunds = refunds(50) }, true},
		"dispute won":        {func(o *store.Order) { o.Disputes = dispute(store.DisputeWon) }, true},
		"refunded":           {func(o *store.Order) { o.Refunds = refunds(100) }, false},
		"disputed":           {func(o *store.Order) { o.Disputes = dispute(store.DisputeOpen) }, false},
		"fulfilled already":  {func(o *store.Order) { o.FulfilledAt = at }, false},
		"short":              {func(o *store.Order) { o.Shortfall = []store.Shortage{{SKU: "tee"}} }, false},
		"parked":             {func(o *store.Order) { o.Parked = "another currency" }, false},
		"not paid":           {func(o *store.Order) { o.Attempts[0].Paid = false }, false},
		"without an attempt": {func(o *store.Order) { o.Attempts = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &store.Order{Attempts: []store.Attempt{paid}, Amounts: store.Amounts{Total: 100}}
			tt.change(o)
			require.Equal(t, tt.want, o.Fulfillable())
		})
	}
}

func TestStuck(t *testing.T) {
	t.Parallel()
	long := func(o *store.Order) { o.Delivery.Tries = store.StuckAfter }
	for name, tt := range map[string]struct {
		change func(o *store.Order)
		want   bool
	}{
		"paid":                           {func(*store.Order) {}, false},
		"parked":                         {func(o *store.Order) { o.Parked = "x" }, true},
		"parked and fulfilled":           {func(o *store.Order) { o.Parked, o.FulfilledAt = "x", at }, false},
		"parked and refunded":            {func(o *store.Order) { o.Parked, o.Refunds = "x", refunds(100) }, false},
		"parked and disputed":            {func(o *store.Order) { o.Parked, o.Disputes = "x", dispute(store.DisputeOpen) }, false},
		"parked and given up":            {func(o *store.Order) { o.Parked, o.GivenUpAt, o.Attempts[0].DismissedAt = "x", at.Add(1), at.Add(1) }, false},
		"paid after it was given up":     {func(o *store.Order) { o.GivenUpAt, o.Attempts[0].PaidAt = at, at.Add(1) }, true},
		"short":                          {func(o *store.Order) { o.Shortfall = []store.Shortage{{}} }, true},
		"short and accepted":             {func(o *store.Order) { o.Shortfall, o.Attempts[0].AcceptedAt = []store.Shortage{{}}, at }, false},
		"short and about to be refunded": {func(o *store.Order) { o.Shortfall, o.Attempts[0].RefundWanted = []store.Shortage{{}}, "shortfall" }, false},
		"the refund was refused":         {func(o *store.Order) { o.Attempts[0].RefundRefused, o.Attempts[0].PaidAt = "no", at }, true},
		"a part was lost in a dispute":   {func(o *store.Order) { o.Disputes = []store.Dispute{{Attempt: 1, Amount: 40, State: store.DisputeLost}} }, true},
		"a part was lost, and accepted": {func(o *store.Order) {
			o.Disputes, o.Attempts[0].AcceptedAt = []store.Dispute{{Attempt: 1, Amount: 40, State: store.DisputeLost}}, at
		}, false},
		"all was lost in a dispute": {func(o *store.Order) {
			o.Disputes = []store.Dispute{{Attempt: 1, Amount: 100, State: store.DisputeLost}}
		}, false},
		"a part was lost, the rest refunded": {func(o *store.Order) {
			o.Disputes, o.Refunds = []store.Dispute{{Attempt: 1, Amount: 40, State: store.DisputeLost}}, refunds(60)
		}, false},
		"failed a few times":                {func(o *store.Order) { o.Delivery.Tries = store.StuckAfter - 1 }, false},
		"failed often":                      {long, true},
		"failed often, of a refunded order": {func(o *store.Order) { long(o); o.Refunds = refunds(100) }, false},
		"a change failed often":             {func(o *store.Order) { o.ChangeDelivery.Tries = store.StuckAfter }, true},
		"a transaction failed often":        {func(o *store.Order) { o.Delivery.Rollbacks = store.StuckAfter }, true},
		"that of a change failed often":     {func(o *store.Order) { o.ChangeDelivery.Rollbacks = store.StuckAfter }, true},
		"a second payment":                  {secondPayment, true},
		"a second payment, refunded": {func(o *store.Order) {
			secondPayment(o)
			o.Refunds = []store.Refund{{Attempt: 2, Amount: 100, State: store.RefundPending}}
		}, false},
		"a second payment, to be refunded":   {func(o *store.Order) { secondPayment(o); o.Attempts[1].RefundWanted = "duplicate_payment" }, false},
		"a second payment, decided about":    {func(o *store.Order) { secondPayment(o); o.Attempts[1].DismissedAt = at.Add(1) }, false},
		"a session that Stripe doesn't know": {func(o *store.Order) { o.Attempts = []store.Attempt{{N: 1, SessionID: "cs_1", Gone: true}} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &store.Order{Attempts: []store.Attempt{paid}, Amounts: store.Amounts{Total: 100}}
			o.Attempts[0].N, o.Attempts[0].Amount = 1, 100
			tt.change(o)
			require.Equal(t, tt.want, o.Stuck(), o.StuckReason())
		})
	}
}

func secondPayment(o *store.Order) {
	o.FulfilledAt = at
	o.Attempts = append(o.Attempts, store.Attempt{N: 2, Paid: true, Duplicate: true, PaidAt: at, Amount: 100})
}

func TestPageSize(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{
		-1: store.DefaultLimit, 0: store.DefaultLimit, 1: 1, 100: 100, 1000: 1000, 1001: store.MaxLimit,
	} {
		require.Equal(t, want, store.Query{Limit: limit}.PageSize())
	}
}
