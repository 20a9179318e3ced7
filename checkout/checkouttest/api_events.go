package checkouttest

import (
	"net/http"
	"slices"
)

func (s *Server) retrieveEvent(c *call) (object, *apiError) {
	e := s.event(c.path("id"))
	if e == nil || e.account != c.account {
		return nil, noSuch(http.StatusNotFound, "event", c.path("id"), "id")
	}
	return e.shown(), nil
}

// keptEvents is how long the API lists an event, in seconds: https://docs.stripe.com/api/events
const keptEvents = 30 * 24 * 60 * 60

func (s *Server) listEvents(c *call) (object, *apiError) {
	within, err := createdFilter(c.params)
	if err != nil {
		return nil, err
	}
	types := c.params.get("types").strings()
	if t := c.params.get("type"); t != nil {
		if types != nil {
			return nil, invalid("", "types", "You may only specify one of these parameters: type, types.")
		}
		types = []string{t.str()}
	}
	delivered := c.params.get("delivery_success")
	now := s.Now().Unix()
	var found []object
	for _, e := range slices.Backward(s.events) {
		switch created := e.created.Unix(); {
		case e.account != c.account, !within(created), created < now-keptEvents:
		case types != nil && !slices.Contains(types, e.typ):
		case delivered != nil && delivered.bool() == (e.pending() > 0):
		default:
			found = append(found, e.shown())
		}
	}
	return page(found, "/v1/events", "event", c.params)
}
