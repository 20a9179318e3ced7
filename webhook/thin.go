package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Notification is a thin event: it names the object that changed and the kind of change, and holds none of the object's data
// (https://docs.stripe.com/events/how-events-work#thin-events).
type Notification struct {
	ID       string    `json:"id"`       // the same in every delivery
	Type     string    `json:"type"`     // for example "v1.checkout.session.completed"
	Created  time.Time `json:"created"`  // when the event happened
	Livemode bool      `json:"livemode"` // true in live mode, false in test mode
	Context  string    `json:"context"`  // authentication context for fetching the event or the object; often empty

	RelatedObject *RelatedObject  `json:"related_object"` // nil if the event is about no single object
	SnapshotEvent string          `json:"snapshot_event"` // ID of the snapshot event of the same change; empty if there is none
	Raw           json.RawMessage `json:"-"`              // the whole payload as Stripe sent it
}

// RelatedObject names the object of a [Notification].
type RelatedObject struct {
	ID   string `json:"id"`   // empty for objects of which an account has one, such as its balance
	Type string `json:"type"` // for example "checkout.session"
	URL  string `json:"url"`  // path to fetch it from, for example "/v1/checkout/sessions/cs_123"
}

// thinPrefix begins the types of thin events about v1 objects. The rest is the type of the snapshot event of the same change,
// if there is one (https://docs.stripe.com/webhooks/migrate-snapshot-to-thin-events).
const thinPrefix = "v1."

// account is the connected account that the notification is about; empty: the endpoint's own account. A context can be a path,
// which ends in the account (https://docs.stripe.com/context).
func (n *Notification) account() string {
	account := n.Context[strings.LastIndexByte(n.Context, '/')+1:]
	if !strings.HasPrefix(account, "acct_") {
		return ""
	}
	return account
}

// key is what both forms of one event have in common.
func (n *Notification) key() string {
	if n.SnapshotEvent != "" {
		return n.SnapshotEvent
	}
	return n.ID
}

// clone returns a copy that a handler may change, apart from Raw.
func (n *Notification) clone() *Notification {
	c := *n
	if n.RelatedObject != nil {
		related := *n.RelatedObject
		c.RelatedObject = &related
	}
	return &c
}

// handleThin decodes a thin event, which is small, and calls the handlers of its type: those of On, or else those of
// OnNotification, or else those of Fallback if the event is about a v1 object.
func (h *Handler) handleThin(ctx context.Context, env envelope, payload []byte, lent bool, res *Result) (int, error) {
	snapshotType, v1 := bytes.CutPrefix(env.typ, []byte(thinPrefix))
	var routes []route
	if v1 {
		routes = h.routes[string(env.typ)]
	}
	if len(routes) == 0 && v1 {
		routes = h.routes[string(snapshotType)]
	}
	notify := len(routes) == 0 && len(h.notify) > 0
	if len(routes) == 0 && !notify && v1 {
		routes = h.fallback
	}
	if len(routes) == 0 && !notify && h.cfg.Observe == nil {
		return http.StatusOK, nil // neither a handler nor Observe sees the event
	}
	if lent {
		payload = bytes.Clone(payload)
	}
	res.EventID, res.EventType, res.Livemode = string(env.id), string(env.typ), env.livemode
	n := &Notification{Raw: payload}
	if err := json.Unmarshal(payload, n); err != nil {
		err = fmt.Errorf("%w into a Notification: %w", ErrDecode, withoutValues(err))
		if len(routes) == 0 && !notify {
			return http.StatusOK, nil
		}
		return http.StatusInternalServerError, err
	}
	res.Created, res.Account = n.Created, n.account()
	if notify {
		return h.run(res, len(h.notify), func(i int) (bool, error) { return false, h.notify[i](ctx, n.clone()) })
	}
	d := h.newThinDelivery(n)
	return h.run(res, len(routes), func(i int) (bool, error) { return routes[i](ctx, d) })
}

// newThinDelivery copies the fields that handlers see from n. The object comes later, if a handler needs it.
func (h *Handler) newThinDelivery(n *Notification) *delivery {
	// Handlers get the type that they were registered for.
	typ := n.Type
	if snapshotType, _ := strings.CutPrefix(typ, thinPrefix); len(h.routes[typ]) == 0 {
		typ = snapshotType
	}
	return &delivery{now: h.cfg.Clock(), handler: h, event: Event[struct{}]{
		ID: n.ID, Key: n.key(), Type: typ, Created: n.Created, Account: n.account(), Livemode: n.Livemode, Raw: n.Raw, Thin: n,
	}}
}
