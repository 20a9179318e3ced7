package main

import (
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// displayed is the status of an order on a page.
type displayed struct {
	Status checkout.DisplayStatus // shown in data-status
	Tone   string                 // colors the badge
	Title  string
	Text   string
}

var displays = map[checkout.DisplayStatus]displayed{
	"fulfilled":  {Tone: "good", Title: "Thank you, it’s on its way", Text: "Your payment arrived, and your order is being sent."},
	"paid":       {Tone: "wait", Title: "Your payment arrived", Text: "Your order is being prepared."},
	"processing": {Tone: "wait", Title: "Thank you, your bank is working on it", Text: "A bank debit takes a few days. Your things are set aside, and will be sent when the money has arrived."},
	"open":       {Tone: "wait", Title: "Checking your payment", Text: "This takes a few seconds."},
	"failed":     {Tone: "bad", Title: "Your payment did not arrive", Text: "Your bank returned it. Nothing was sent."},
	"expired":    {Tone: "off", Title: "Time ran out", Text: "Nothing was charged, and your things are back on the shelf."},
	"canceled":   {Tone: "off", Title: "Order canceled", Text: "Nothing was charged, and your things are back on the shelf."},
	"draft":      {Tone: "off", Title: "Not begun", Text: "Nothing was charged."},
}

func display(o *store.Order) displayed {
	status := checkout.Display(o)
	d, known := displays[status]
	if !known { // refunds and disputes, which this shop leaves to the Dashboard
		d = displayed{Tone: "off", Title: "Your order", Text: "Please ask the shop about it."}
	}
	if status == checkout.DisplayStatus(store.Paid) && o.Stuck() {
		d.Tone, d.Text = "bad", "Your order needs a look by a person. You will hear from the shop."
	}
	d.Status = status
	return d
}

// dollars returns an amount in minor units as text. The shop has one currency.
func dollars(minor int64) string {
	amount, err := checkout.AmountOf(minor, "usd")
	if err != nil {
		return "?"
	}
	return "$" + amount.Decimal()
}

func when(t time.Time) string { return t.UTC().Format("2 Jan 15:04:05") }
