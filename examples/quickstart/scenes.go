package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

// pen is the product of the scenes. It is not on the shelves of the shop.
var pen = product{"pen", "Fountain pen", "", checkout.MustAmount("48.00", "usd"), 0}

// scene shows one guarantee with orders of made-up customers.
type scene struct {
	ID, Title string
	Promise   string // the guarantee
	ByHand    string // how a visitor does the same; empty: the visitor can't
	play      func(ctx context.Context, a *act) error
}

var scenes = []scene{
	{"hold", "A hold runs down", "Stock is set aside while a customer pays, and comes back when the customer does not.",
		"Buy something, turn back from the payment page, and let an hour pass on the Orders page.", playHold},
	{"last", "Two customers, one pen", "Nothing is sold that is not there.",
		"Buy the brass ruler, and buy it again in a private window.", playLast},
	{"tabs", "Two tabs", "An order has one session that can be paid, and is paid once.",
		"Buy the same thing in two tabs, and pay in both.", playTabs},
	{"lost", "A lost webhook", "Every payment is found, even if no webhook arrives.", "", playLost},
	{"doubled", "A webhook that comes three times", "Every payment is fulfilled once.",
		"Press “Deliver again” at an event on the Orders page.", playDoubled},
	{"refund", "A refund before the parcel leaves", "What was given back is not sent.",
		"Press “Refund” at a paid order on the Orders page.", playRefund},
	{"dispute", "A dispute", "The shop hears of a dispute, and of its end.",
		"Press “Dispute” at a paid order on the Orders page.", playDispute},
	{"stuck", "A stuck order", "An order that needs a person says why, and waits for the decision.", "", playStuck},
}

func playHold(ctx context.Context, a *act) error {
	id := rand.Text()
	if err := a.shelve(ctx, 1); err != nil {
		return err
	}
	if _, err := a.begin(ctx, id); err != nil {
		return err
	}
	if err := a.tell(ctx, id, "A customer goes to the payment page. The only pen is held for 15 minutes."); err != nil {
		return err
	}
	if err := a.pass(ctx, 10*time.Minute); err != nil {
		return err
	}
	if err := a.tell(ctx, id, "Ten minutes pass. Five are left."); err != nil {
		return err
	}
	if err := a.pass(ctx, 6*time.Minute); err != nil {
		return err
	}
	return a.tell(ctx, id, "The time is over. Stripe ended the session, so it can’t be paid anymore. Only then the pen came back.")
}

func playLast(ctx context.Context, a *act) error {
	id := rand.Text()
	if err := a.shelve(ctx, 1); err != nil {
		return err
	}
	ada, err := a.begin(ctx, id)
	if err != nil {
		return err
	}
	if err := a.tell(ctx, id, "A customer goes to the payment page with the last pen."); err != nil {
		return err
	}
	_, err = a.begin(ctx, rand.Text())
	var short *reservation.ShortageError
	if !errors.As(err, &short) {
		return fmt.Errorf("ben was not refused: %w", err)
	}
	if err := a.tell(ctx, "", "Another customer wants it, too. The shop says that none is left, before that customer can pay."); err != nil {
		return err
	}
	if err := a.shop.pay.test.Pay(ada.SessionID, checkouttest.CardOK); err != nil {
		return err
	}
	return a.tell(ctx, id, "The first customer pays, and has the pen.")
}

func playTabs(ctx context.Context, a *act) error {
	id := rand.Text()
	if err := a.shelve(ctx, 3); err != nil {
		return err
	}
	one, err := a.begin(ctx, id)
	if err != nil {
		return err
	}
	two, err := a.begin(ctx, id)
	if err != nil {
		return err
	}
	if one.SessionID != two.SessionID {
		return errors.New("the second tab got a session of its own")
	}
	if err := a.tell(ctx, id, "A customer presses Buy in two tabs. Both lead to the same session, and one pen is held."); err != nil {
		return err
	}
	if err := a.shop.pay.test.Pay(one.SessionID, checkouttest.CardOK); err != nil {
		return err
	}
	if err := a.tell(ctx, id, "The customer pays in the first tab."); err != nil {
		return err
	}
	if _, err := a.begin(ctx, id); !errors.Is(err, checkout.ErrAlreadyPaid) {
		return fmt.Errorf("the second tab was not refused: %w", err)
	}
	return a.tell(ctx, id, "The customer presses Buy in the second tab, and reads that the order is paid. Nothing is charged again.")
}

func playLost(ctx context.Context, a *act) error {
	id, err := a.paidAfter(ctx, checkouttest.Drop())
	if err != nil {
		return err
	}
	if err := a.tell(ctx, id, "A customer pays. Every webhook is lost, and the customer closes the page. The shop knows nothing."); err != nil {
		return err
	}
	if err := a.pass(ctx, 20*time.Minute); err != nil {
		return err
	}
	return a.tell(ctx, id, "Flow.Run looks for what it missed, and finds the payment.")
}

func playDoubled(ctx context.Context, a *act) error {
	id, err := a.paidAfter(ctx, checkouttest.Duplicate(3))
	if err != nil {
		return err
	}
	return a.tell(ctx, id, fmt.Sprintf("A customer pays, and each webhook comes three times. Parcels sent: %d.", a.parcels(id)))
}

func playRefund(ctx context.Context, a *act) error {
	id := rand.Text()
	a.setTrouble(id, errors.New("the warehouse is closed"))
	session, err := a.paid(ctx, id)
	if err != nil {
		return err
	}
	if err := a.tell(ctx, id, "A customer pays at night. The warehouse is closed, so sending fails, and is tried again later."); err != nil {
		return err
	}
	if _, err := a.shop.pay.test.Refund(session, pen.Price.Minor()); err != nil {
		return err
	}
	if err := a.tell(ctx, id, "The customer changes plans, and the payment is refunded in the Dashboard."); err != nil {
		return err
	}
	a.setTrouble(id, nil)
	if err := a.pass(ctx, time.Hour); err != nil {
		return err
	}
	return a.tell(ctx, id, fmt.Sprintf("The warehouse opens. Parcels sent: %d.", a.parcels(id)))
}

func playDispute(ctx context.Context, a *act) error {
	id := rand.Text()
	session, err := a.paid(ctx, id)
	if err != nil {
		return err
	}
	if err := a.tell(ctx, id, "A customer pays, and the pen is sent."); err != nil {
		return err
	}
	dispute, err := a.shop.pay.test.Dispute(session)
	if err != nil {
		return err
	}
	if err := a.tell(ctx, id, "The customer’s bank disputes the payment. OnChange is called."); err != nil {
		return err
	}
	if err := a.shop.pay.test.WinDispute(dispute); err != nil {
		return err
	}
	return a.tell(ctx, id, "The shop wins. OnChange is called again.")
}

func playStuck(ctx context.Context, a *act) error {
	id := rand.Text()
	a.setTrouble(id, webhook.Permanent(errors.New("the label printer is out of paper")))
	if _, err := a.paid(ctx, id); err != nil {
		return err
	}
	o, err := a.shop.flow.Order(ctx, id)
	if err != nil {
		return err
	}
	return a.tell(ctx, id, "A customer pays, and sending fails for good: “"+o.StuckReason()+"”. "+
		"Put paper in, and press “Try again” at the order. Or give it up.")
}

// paid has a customer pay an order, and returns its session.
func (a *act) paid(ctx context.Context, orderID string) (session string, _ error) {
	if err := a.shelve(ctx, 3); err != nil {
		return "", err
	}
	started, err := a.begin(ctx, orderID)
	if err != nil {
		return "", err
	}
	return started.SessionID, a.shop.pay.test.Pay(started.SessionID, checkouttest.CardOK)
}

// paidAfter has a customer pay an order while something is wrong with the webhooks, and returns the order's ID.
func (a *act) paidAfter(ctx context.Context, fault checkouttest.Fault) (orderID string, _ error) {
	a.shop.pay.test.Faults(fault)
	orderID = rand.Text()
	_, err := a.paid(ctx, orderID)
	return orderID, err
}

// parcels returns how often an order was sent.
func (a *act) parcels(orderID string) int {
	row, _ := a.shop.store.Get("shipments/" + orderID)
	sent, _ := row.(shipment)
	return sent.Parcels
}

// shelve puts pens on the shelf until so many are free.
func (a *act) shelve(ctx context.Context, free int64) error {
	return a.shop.store.InTx(ctx, func(tx *memstore.Tx) error {
		if err := a.shop.stock.SetNew(ctx, tx, pen.SKU, 0); err != nil {
			return err
		}
		stock, err := a.shop.stock.Stock(ctx, tx, pen.SKU)
		if err != nil {
			return err
		}
		return a.shop.stock.Adjust(ctx, tx, pen.SKU, free-stock[0].Available())
	})
}

// stock says how many pens there are.
func (a *act) stock(ctx context.Context) (text string, _ error) {
	err := a.shop.store.InTx(ctx, func(tx *memstore.Tx) error {
		stock, err := a.shop.stock.Stock(ctx, tx, pen.SKU)
		if err == nil {
			text = fmt.Sprintf("%d free, %d held", stock[0].Available(), stock[0].Held)
		}
		return err
	})
	return text, err
}
