package simtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/store"
)

// hearing is an event on its way through a process.
type hearing struct {
	w      *world
	losses int64 // of the database, before the event came
	event  heardEvent
	// intent is the payment intent that the event is about, if its payment was recorded before; empty: it was not.
	intent string
}

type heardEvent struct {
	ID, Type string
	// SnapshotEvent is the ID of the snapshot event of the same change that a thin event names.
	SnapshotEvent string `json:"snapshot_event"`
	// RelatedObject is the object of a thin event. What it says must be known is less, as it does not say how the object was.
	RelatedObject struct{ ID string } `json:"related_object"`
	Data          struct {
		Object struct {
			ID            string
			PaymentStatus string `json:"payment_status"`
			PaymentIntent any    `json:"payment_intent"`
			Metadata      map[string]string
		}
	}
}

// hearing reads the event in a delivery, and leaves the delivery as it is.
func (w *world) hearing(r *http.Request) *hearing {
	h := &hearing{w: w, losses: w.losses.Load()}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil || json.Unmarshal(body, &h.event) != nil {
		h.event = heardEvent{} // broken on its way
		return h
	}
	if h.event.RelatedObject.ID != "" {
		h.event.Type = strings.TrimPrefix(h.event.Type, "v1.")
		h.event.Data.Object.ID = h.event.RelatedObject.ID
	}
	object := h.event.Data.Object
	intent, _ := object.PaymentIntent.(string)
	if strings.HasPrefix(h.event.Type, "payment_intent.") {
		intent = object.ID
	}
	if w.recorded(intent) != nil {
		h.intent = intent
	}
	return h
}

// recorded returns the order that a Stripe ID leads to, or nil.
func (w *world) recorded(ref string) *store.Order {
	o, err := w.database().FindRef(context.Background(), ref)
	if err != nil {
		return nil
	}
	return o
}

// check checks that an event which was answered by 200 is recorded.
func (h *hearing) check() {
	if h.w.losses.Load() == h.losses && !h.known() {
		h.w.fail("%s of %s was answered by 200 and is not recorded", h.event.Type, h.event.Data.Object.ID)
	}
}

// known reports whether the shop knows what the event says. Events of other types, and those of payments that were not
// recorded before, say nothing that must be known.
func (h *hearing) known() bool {
	object := h.event.Data.Object
	switch h.event.Type {
	case "checkout.session.completed", "checkout.session.async_payment_succeeded":
		paid := object.PaymentStatus == "paid"
		if o := h.w.recorded(object.ID); o != nil {
			a := o.AttemptBySession(object.ID)
			return a.Completed && (a.Paid || !paid)
		}
		return !paid || object.Metadata["fulfil_order"] == "" || h.w.foreign(object.ID)
	case "checkout.session.async_payment_failed", "checkout.session.expired":
		o := h.w.recorded(object.ID)
		return o == nil || over(o.AttemptBySession(object.ID))
	}
	o := h.w.recorded(h.intent)
	if o == nil {
		return true
	}
	switch h.event.Type {
	case "payment_intent.succeeded", "payment_intent.canceled", "charge.captured":
		return !slices.ContainsFunc(o.Attempts, func(a store.Attempt) bool { return a.PaymentIntent == h.intent && !over(&a) })
	case "refund.created":
		return slices.ContainsFunc(o.Refunds, func(r store.Refund) bool { return r.ID == object.ID })
	case "charge.dispute.created":
		return slices.ContainsFunc(o.Disputes, func(d store.Dispute) bool { return d.ID == object.ID })
	}
	return true
}

// over reports whether an attempt is paid or can't be paid anymore.
func over(a *store.Attempt) bool { return !a.Open() && !a.Processing() }
