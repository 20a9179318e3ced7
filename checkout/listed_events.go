package checkout

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/stripe/stripe-go/v82"
	"github.com/stripe/stripe-go/v82/form"
)

// A listedEvent is an event as Stripe lists it. Its object is not decoded: the handlers do that, and most events of a reading need none.
type listedEvent struct {
	ID, Type string
	Created  int64 // in seconds
	account  string
	raw      json.RawMessage
}

func (e *listedEvent) UnmarshalJSON(raw []byte) error {
	var head struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Created int64  `json:"created"`
		Account string `json:"account"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return err
	}
	*e = listedEvent{ID: head.ID, Type: head.Type, Created: head.Created, account: head.Account, raw: append(json.RawMessage(nil), raw...)}
	return nil
}

// payload is the event as Stripe delivers it. The account is the one that was asked for events: a listed event need not name it.
func (e listedEvent) payload(account string) ([]byte, error) {
	if e.account == account {
		return e.raw, nil
	}
	var event map[string]json.RawMessage
	if err := json.Unmarshal(e.raw, &event); err != nil {
		return nil, fmt.Errorf("checkout: decoding event %s: %w", e.ID, err)
	}
	named, err := json.Marshal(account)
	if err != nil {
		return nil, fmt.Errorf("checkout: encoding an account: %w", err)
	}
	event["account"] = named
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("checkout: encoding event %s: %w", e.ID, err)
	}
	return payload, nil
}

// events lists one page of the events of a window of time, the newest first.
func (s stripeAPI) events(ctx context.Context, account string, types []string, pos eventPosition, undelivered bool) ([]listedEvent, error) {
	params := &stripe.EventListParams{
		Types:        stripe.StringSlice(types),
		CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: pos.Since, LesserThanOrEqual: pos.Until},
	}
	if undelivered {
		params.DeliverySuccess = stripe.Bool(false)
	}
	ctx, cancel := onePage(ctx, &params.ListParams, account, pos.After)
	defer cancel()
	return s.listEvents(ctx, "listing events", params)
}

// askTime learns Stripe's time by a list of the latest event.
func (s stripeAPI) askTime(ctx context.Context) error {
	params := &stripe.EventListParams{}
	ctx, cancel := onePage(ctx, &params.ListParams, "", "")
	defer cancel()
	params.Limit = stripe.Int64(1)
	_, err := s.listEvents(ctx, "asking for the time", params)
	return err
}

// listEvents makes the request of stripe-go's V1Events.List, which would decode the object of each event several times. The answer tells
// Stripe's time, also if there are no events.
func (s stripeAPI) listEvents(ctx context.Context, doing string, params *stripe.EventListParams) ([]listedEvent, error) {
	query, common := &form.Values{}, params.GetParams()
	form.AppendTo(query, params)
	common.Context = ctx
	var page struct {
		stripe.APIResource
		Data []listedEvent `json:"data"`
	}
	events := s.client.V1Events
	if err := events.B.CallRaw(http.MethodGet, "/v1/events", events.Key, []byte(query.Encode()), common, &page); err != nil {
		return nil, s.failed(doing, err)
	}
	s.clock.learn(page.LastResponse)
	return page.Data, nil
}

// event fetches an event.
func (s stripeAPI) event(ctx context.Context, account, id string) (listedEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	params := &stripe.EventRetrieveParams{}
	onAccount(params, account)
	params.Context = ctx
	var answer stripe.APIResource
	events := s.client.V1Events
	if err := events.B.Call(http.MethodGet, stripe.FormatURLPath("/v1/events/%s", id), events.Key, params, &answer); err != nil {
		return listedEvent{}, s.failed("fetching an event", err)
	}
	var event listedEvent
	if err := json.Unmarshal(answer.LastResponse.RawJSON, &event); err != nil {
		return listedEvent{}, s.failed("fetching an event", err)
	}
	return event, nil
}
