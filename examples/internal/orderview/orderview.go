// Package orderview has what the orders pages of the example shops say of an order: its status in words, filters, and short forms
// of times, amounts and IDs.
package orderview

import (
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// Displayed is the status of an order on a page.
type Displayed struct {
	Status checkout.DisplayStatus // shown in data-status
	Tone   string                 // colors the badge
	Label  string                 // the status in words for a customer
	Title  string
	Text   string
	Next   string // what happens next; empty: nothing
}

var displays = map[checkout.DisplayStatus]Displayed{
	"fulfilled": {Tone: "good", Label: "On its way", Title: "Thank you, it’s on its way", Text: "Your payment arrived, and your order is being sent.",
		Next: "The parcel leaves today and takes two to four days."},
	"paid": {Tone: "wait", Label: "Paid", Title: "Your payment arrived", Text: "Your order is being prepared.",
		Next: "When it is sent, this page says so."},
	"processing": {Tone: "wait", Label: "With your bank", Title: "Thank you, your bank is working on it", Text: "A bank debit takes a few days. Your things are set aside.",
		Next: "When the money has arrived, your order is sent. You need not do anything."},
	"open":     {Tone: "wait", Label: "Checking", Title: "Checking your payment", Text: "This takes a few seconds."},
	"failed":   {Tone: "bad", Label: "Not paid", Title: "Your payment did not arrive", Text: "Your bank returned it. Nothing was sent."},
	"expired":  {Tone: "off", Label: "Expired", Title: "Time ran out", Text: "Nothing was charged, and your things are back on the shelf."},
	"canceled": {Tone: "off", Label: "Canceled", Title: "Order canceled", Text: "Nothing was charged, and your things are back on the shelf."},
	"draft":    {Tone: "off", Label: "Not begun", Title: "Not begun", Text: "Nothing was charged."},
	"refunded": {Tone: "off", Label: "Refunded", Title: "Your money is on its way back", Text: "The whole payment was refunded.",
		Next: "It reaches your account within five to ten days."},
	"partially_refunded": {Tone: "off", Label: "Partly refunded", Title: "A part of your money is on its way back", Text: "A part of the payment was refunded.",
		Next: "It reaches your account within five to ten days."},
	"disputed": {Tone: "bad", Label: "Disputed", Title: "Your bank is looking into the payment", Text: "The payment of this order was disputed."},
}

// Display returns the status of an order. A paid order that needs a person says so.
func Display(o *store.Order) Displayed {
	status := checkout.Display(o)
	d, known := displays[status]
	if !known {
		d = Displayed{Tone: "off", Label: string(status), Title: "Your order", Text: "Please ask the shop about it."}
	}
	if status == checkout.DisplayStatus(store.Paid) && o.Stuck() {
		d.Tone, d.Next, d.Text = "bad", "", "Your order needs a look by a person. You will hear from the shop."
	}
	d.Status = status
	return d
}

// Dollars returns an amount in cents as text. The shops have one currency.
func Dollars(minor int64) string {
	amount, err := checkout.AmountOf(minor, "usd")
	if err != nil {
		return "?"
	}
	return "$" + amount.Decimal()
}

// When returns a time with its date.
func When(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04:05") }

// Clock returns a time without its date.
func Clock(t time.Time) string { return t.UTC().Format("15:04") }

// Short returns the beginning of an ID, which is enough to tell it from others on a page.
func Short(id string) string { return id[:min(len(id), 8)] }
