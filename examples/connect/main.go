// Command connect is a marketplace: sellers with connected accounts at Stripe, and a fee for the platform.
//
//	go run ./examples/connect
//
// It needs nothing else: payments go to a test server in this process. This file is the part to copy.
package main

import (
	"context"
	"log"
	"os"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	if err := demo(os.Stdout); err != nil {
		log.Fatal("connect: ", err)
	}
}

// seller is a seller of the marketplace.
type seller struct {
	Account string // at Stripe
	// Direct says that the payment is the seller's own: it is made on the seller's account, whose name is on the customer's statement,
	// and which pays Stripe's fees. Otherwise the payment is the platform's, and the money is passed on.
	Direct bool
}

// market is the marketplace.
type market struct {
	sellers map[string]seller
	flow    *checkout.Flow[*memstore.Tx]
	hook    *webhook.Handler
}

// newMarket takes a Config with Stripe's client, and the secrets of two endpoints: one for events of the platform's own account, and
// one for events of connected accounts. Both deliver to the same handler.
func newMarket(sellers map[string]seller, c checkout.Config[*memstore.Tx], secrets []string) (*market, error) {
	m := &market{sellers: sellers}
	c.Store = memstore.New()
	c.Fulfil = m.payOut
	// Where a sweep looks for what webhooks missed. Destination charges are on the platform's account, which it always looks at.
	c.Accounts = func(context.Context) (accounts []string, err error) {
		for _, s := range m.sellers {
			if s.Direct {
				accounts = append(accounts, s.Account)
			}
		}
		return accounts, nil
	}
	var err error
	if m.flow, err = checkout.New(c); err != nil {
		return nil, err
	}
	if m.hook, err = webhook.New(webhook.Config{Secrets: secrets, Clock: c.Clock, Logger: c.Logger}); err != nil {
		return nil, err
	}
	m.flow.Handle(m.hook)
	return m, nil
}

// sell begins an order with a seller. The platform keeps a tenth.
func (m *market) sell(ctx context.Context, orderID, name string, price checkout.Amount) (*checkout.Started, error) {
	fee, err := checkout.AmountOf(price.Minor()/10, price.Currency())
	if err != nil {
		return nil, err
	}
	connect := checkout.Connect{ApplicationFee: fee}
	if s := m.sellers[name]; s.Direct {
		connect.Account = s.Account
	} else {
		connect.Destination = s.Account
	}
	return m.flow.Begin(ctx, checkout.Session{
		OrderID:    orderID,
		Lines:      []checkout.Line{{Name: "Bowl", UnitAmount: price, Quantity: 1}},
		Connect:    connect,
		SuccessURL: "https://market.example/thanks",
		Metadata:   map[string]string{"seller": name},
	})
}

// payOut tells the seller to send the goods. Order.Account is the account of a direct charge, and empty for a destination charge, so
// the seller's name is in the metadata.
func (m *market) payOut(ctx context.Context, tx *memstore.Tx, o *store.Order) error {
	return tx.Set(ctx, "to-send/"+o.ID, o.Metadata["seller"])
}
