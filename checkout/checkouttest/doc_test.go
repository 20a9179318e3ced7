package checkouttest_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

// doc.go shows this test.
func TestFulfilledOnce(t *testing.T) {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	srv.LogOnFailure(t)
	fulfilled := 0
	flow, err := checkout.New(checkout.Config[*memstore.Tx]{
		Stripe: srv.Client(), Clock: srv.Now, Store: memstore.New(),
		Fulfil: func(context.Context, *memstore.Tx, *store.Order) error { fulfilled++; return nil },
	})
	require.NoError(t, err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{srv.WebhookSecret()}, Clock: srv.Now})
	require.NoError(t, err)
	flow.Handle(hook)
	srv.Deliver(hook)
	started, err := flow.Begin(t.Context(), checkout.Session{
		OrderID: "order-42", SuccessURL: "https://shop.example/thanks",
		Lines: []checkout.Line{{Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}},
	})
	require.NoError(t, err)
	srv.Faults(checkouttest.DropFirst(2), checkouttest.Duplicate(3))
	require.NoError(t, srv.Pay(started.SessionID, checkouttest.CardOK))
	require.Zero(t, fulfilled)
	srv.Advance(time.Hour)
	require.Equal(t, 1, fulfilled)
}

func TestTheDocumentationShowsThatTest(t *testing.T) {
	t.Parallel()
	here, err := os.ReadFile("doc_test.go")
	require.NoError(t, err)
	_, code, ok := strings.Cut(string(here), "// doc.go shows this test.\n")
	require.True(t, ok)
	code, _, ok = strings.Cut(code, "\n}\n")
	require.True(t, ok)
	lines := strings.Split(code+"\n}", "\n")
	require.LessOrEqual(t, len(lines), 25)
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	require.Contains(t, string(doc), "//\n//\t"+strings.Join(lines, "\n//\t")+"\n//\n")
}
