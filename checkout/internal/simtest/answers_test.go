package simtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/gofulfil/fulfil/store"
)

// hearing is an event on its way through a process, with what the shop knew of it before.
type hearing struct {
	w      *world
	losses int64
	event  struct {
		Type string
		Data struct {
			Object struct {
				ID            string
				PaymentStatus string `json:"payment_status"`
				PaymentIntent any    `json:"payment_intent"`
				Metadata      map[string]string
			}
		}
	}
	// intent is the payment intent that the event is about, if its payment was recorded before; empty: it was not.
	intent string
}

// hearing reads the event in a delivery, and leaves the delivery as it is.
func (w *world) hearing(r *http.Request) *hearing {
	h := &hearing{w: w, losses: w.losses.Load()}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil || json.Unmarshal(body, &h.event) != nil {
		h.event.Type = "" // broken on its way
		return h
	}
	object := h.event.Data.Object
	intent, _ := object.PaymentIntent.(string)
	if strings.HasPrefix(h.event.Type, "payment_intent.") {
		intent = object.ID
	}
	if o, err := w.database().FindRef(context.Background(), intent); err == nil && o != nil {
		h.intent = intent
	}
	return h
}

// check checks that an event which was answered by 200 is recorded.
func (h *hearing) check() {
	if h.w.losses.Load() != h.losses {
		return
	}
	object, database := h.event.Data.Object, h.w.database()
	var known bool
	switch h.event.Type {
	case "checkout.session.completed", "checkout.session.async_payment_succeeded":
		o, err := database.FindRef(context.Background(), object.ID)
		switch {
		case err == nil:
			a := o.AttemptBySession(object.ID)
			known = a.Completed && (object.PaymentStatus != "paid" || a.Paid)
		default:
			known = object.PaymentStatus != "paid" || object.Metadata["fulfil_order"] == "" || h.w.foreign(object.ID)
		}
	case "checkout.session.async_payment_failed", "checkout.session.expired":
		o, err := database.FindRef(context.Background(), object.ID)
		known = err != nil || !o.AttemptBySession(object.ID).Open() && !o.AttemptBySession(object.ID).Processing()
	case "payment_intent.succeeded", "payment_intent.canceled", "charge.captured":
		o, err := database.FindRef(context.Background(), h.intent)
		known = err != nil || !attemptOf(o, h.intent).Open() && !attemptOf(o, h.intent).Processing()
	case "refund.created":
		o, err := database.FindRef(context.Background(), h.intent)
		known = err != nil
		for i := 0; err == nil && i < len(o.Refunds); i++ {
			known = known || o.Refunds[i].ID == object.ID
		}
	case "charge.dispute.created":
		o, err := database.FindRef(context.Background(), h.intent)
		known = err != nil
		for i := 0; err == nil && i < len(o.Disputes); i++ {
			known = known || o.Disputes[i].ID == object.ID
		}
	default:
		return
	}
	if !known {
		h.w.fail("%s of %s was answered by 200 and is not recorded", h.event.Type, object.ID)
	}
}

func attemptOf(o *store.Order, intent string) *store.Attempt {
	for i := range o.Attempts {
		if o.Attempts[i].PaymentIntent == intent {
			return &o.Attempts[i]
		}
	}
	return &store.Attempt{Expired: true}
}
