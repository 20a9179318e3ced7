package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
)

// newer is an order as a later version of the library could save it. This version does not know some of its members.
const newer = `{"id":"order-1","created_at":"2026-03-01T12:00:00Z","updated_at":"2026-03-01T12:00:00Z","mode":"payment",
	"lines":[{"sku":"tee","quantity":1}],"later":{"a":[1.50,"<b>"]},
	"attempts":[{"n":1,"created_at":"2026-03-01T12:00:00Z","fingerprint":"f","later_mark":"m1","quote":{"currency":"usd","subtotal":1,"q":true}},
		{"n":2,"created_at":"2026-03-01T12:00:00Z","fingerprint":"f","later_mark":"m2"}],
	"refunds":[{"id":"re_1","attempt":1,"amount":5,"state":"pending","why":"w1"},{"id":"re_2","attempt":1,"amount":5,"state":"pending","why":"w2"}],
	"notices":[{"n":1,"kind":"fulfil","at":"2026-03-01T12:00:00Z","from":"open","to":"paid","extra":7}],
	"delivery":{"tries":1,"shard":3},"session":{"z":1.10,"a":"<&>"},"due_at":"2026-03-01T13:00:00Z"}`

// A process that saves an order of a newer version keeps the members that it does not know.
func TestUnknownMembersSurvive(t *testing.T) {
	t.Parallel()
	o, err := store.DecodeOrder([]byte(newer))
	require.NoError(t, err)
	o = o.Clone()
	o.Attempts[0].Paid = true
	o.Attempts = append(o.Attempts, store.Attempt{N: 3, Fingerprint: "new"})
	o.Refunds = o.Refunds[1:]
	o.Refunds[0].State = store.RefundSucceeded
	o.Delivery.Tries++
	o.DueAt = time.Time{}
	for range 2 { // reading and saving again must lose nothing either
		data, err := o.Encode()
		require.NoError(t, err)
		require.JSONEq(t, `{"id":"order-1","created_at":"2026-03-01T12:00:00Z","updated_at":"2026-03-01T12:00:00Z","mode":"payment",
			"lines":[{"sku":"tee","quantity":1}],"later":{"a":[1.50,"<b>"]},
			"attempts":[{"n":1,"created_at":"2026-03-01T12:00:00Z","fingerprint":"f","paid":true,"later_mark":"m1","quote":{"currency":"usd","subtotal":1,"q":true}},
				{"n":2,"created_at":"2026-03-01T12:00:00Z","fingerprint":"f","later_mark":"m2"},
				{"n":3,"created_at":"0001-01-01T00:00:00Z","fingerprint":"new"}],
			"refunds":[{"id":"re_2","attempt":1,"amount":5,"state":"succeeded","why":"w2"}],
			"notices":[{"n":1,"kind":"fulfil","at":"2026-03-01T12:00:00Z","from":"open","to":"paid","extra":7}],
			"delivery":{"tries":2,"shard":3},"session":{"z":1.10,"a":"<&>"}}`, string(data))
		require.Contains(t, string(data), `{"z":1.10,"a":"<&>"}`, "the session keeps its bytes")
		require.Contains(t, string(data), `"later":{"a":[1.50,"<b>"]}`)
		o, err = store.DecodeOrder(data)
		require.NoError(t, err)
	}
}

// Erase removes personal data that this version does not know, too.
func TestEraseForgetsUnknownMembersOfTheCustomer(t *testing.T) {
	t.Parallel()
	o, err := store.DecodeOrder([]byte(`{"id":"a","later":1,"customer":{"id":"cus_1","name":"Zoë","birthday":"2000-01-01"}}`))
	require.NoError(t, err)
	o.Erase()
	data, err := o.Encode()
	require.NoError(t, err)
	require.Contains(t, string(data), `"customer":{"id":"cus_1"}`)
	require.Contains(t, string(data), `"later":1`)
	require.NotContains(t, string(data), "2000")
}

// DecodeOrder refuses broken JSON, whether or not all of its members are known.
func TestDecodeOrderRefuses(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "{", `{"id":1}`, `{"id":"a"} {}`, `{"id":"a","later":1} x`, `[]`} {
		_, err := store.DecodeOrder([]byte(data))
		require.ErrorContains(t, err, "store: decode order: ", data)
	}
	plain, err := store.DecodeOrder([]byte(`{"id":"a"}`))
	require.NoError(t, err)
	data, err := plain.Encode()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(data), `{"id":"a","created_at"`), "without unknown members the sequence of members must stay")
}
