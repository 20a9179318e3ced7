package checkouttest

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// A session is a Checkout Session: what the API shows of it, and what the server knows besides.
type session struct {
	object
	account string
	sent    *param // the parameters it was created with
	lines   []object
	method  PaymentMethod // of a payment in progress, else empty
	buyer   Buyer         // of a payment in progress
}

func (sess *session) id() string { return sess.str("id") }

// lineItems is the first page of the lines, as `line_items` includes it.
func (sess *session) lineItems() object {
	o, _ := page(sess.lines, "/v1/checkout/sessions/"+sess.id()+"/line_items", "item", nil)
	return o
}

func (s *Server) createSession(c *call) (object, *apiError) {
	sess, err := s.newSession(c)
	if err != nil {
		return nil, err
	}
	id := sess.id()
	s.sessions[id] = sess
	s.ordered = append(s.ordered, sess)
	s.schedule(time.Unix(sess.object["expires_at"].(int64), 0), func() { s.expireIfOpen(sess, nil) })
	return sess.object, nil
}

// session finds the session that a path names.
func (s *Server) session(c *call) (*session, *apiError) {
	id := c.path("id")
	sess := s.sessions[id]
	if sess == nil || sess.account != c.account {
		return nil, noSuch(http.StatusNotFound, "checkout.session", id, "id")
	}
	s.refresh(sess)
	return sess, nil
}

func (s *Server) retrieveSession(c *call) (object, *apiError) {
	sess, err := s.session(c)
	if err != nil {
		return nil, err
	}
	return sess.object, nil
}

func (s *Server) expireSession(c *call) (object, *apiError) {
	sess, err := s.session(c)
	if err != nil {
		return nil, err
	}
	if !s.expireIfOpen(sess, c) {
		return nil, &apiError{
			status: http.StatusBadRequest, typ: "invalid_request_error",
			message: fmt.Sprintf("Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `%s`.", sess.str("status")),
		}
	}
	return sess.object, nil
}

func (s *Server) listLineItems(c *call) (object, *apiError) {
	sess, err := s.session(c)
	if err != nil {
		return nil, err
	}
	return page(sess.lines, "/v1/checkout/sessions/"+sess.id()+"/line_items", "item", c.params)
}

func (s *Server) listSessions(c *call) (object, *apiError) {
	within, err := createdFilter(c.params)
	if err != nil {
		return nil, err
	}
	var found []object
	for _, sess := range slices.Backward(s.ordered) {
		s.refresh(sess)
		if sess.account != c.account || !within(sess.object["created"].(int64)) {
			continue
		}
		if email := c.params.get("customer_details", "email"); email != nil {
			details, _ := sess.object["customer_details"].(object)
			if details.str("email") != email.str() {
				continue
			}
		}
		if matches(sess.object, c.params, "customer", "payment_intent", "payment_link", "status", "subscription") {
			found = append(found, sess.object)
		}
	}
	return page(found, "/v1/checkout/sessions", "checkout.session", c.params)
}

// matches says whether an object has the values that a list asks for.
func matches(o object, p *param, filters ...string) bool {
	for _, f := range filters {
		if want := p.get(f); want != nil && o.str(f) != want.str() {
			return false
		}
	}
	return true
}

// createdFilter is the filter `created`: a time or a range of times, in seconds.
func createdFilter(p *param) (func(created int64) bool, *apiError) {
	f := p.get("created")
	if f != nil && f.isSet && len(f.fields) > 0 {
		return nil, invalid("", "created", "Invalid object")
	}
	return func(created int64) bool {
		gt, gte, lt, lte := f.get("gt"), f.get("gte"), f.get("lt"), f.get("lte")
		return (f == nil || !f.isSet || created == f.int()) &&
			(gt == nil || created > gt.int()) && (gte == nil || created >= gte.int()) &&
			(lt == nil || created < lt.int()) && (lte == nil || created <= lte.int())
	}, nil
}

// page cuts one page out of what was found: https://docs.stripe.com/api/pagination
func page(found []object, url, kind string, p *param) (object, *apiError) {
	limit := 10
	if l := p.get("limit"); l != nil {
		if l.int() < 1 || l.int() > 100 {
			return nil, invalid("parameter_invalid_integer", "limit", "Limit must be between 1 and 100.")
		}
		limit = int(l.int())
	}
	find := func(name string) (int, *apiError) {
		id := p.get(name).str()
		i := slices.IndexFunc(found, func(o object) bool { return o.str("id") == id })
		if i < 0 {
			return 0, noSuch(http.StatusBadRequest, kind, id, name)
		}
		return i, nil
	}
	more := false
	switch {
	case p.get("starting_after") != nil:
		i, err := find("starting_after")
		if err != nil {
			return nil, err
		}
		found = found[i+1:]
	case p.get("ending_before") != nil:
		i, err := find("ending_before")
		if err != nil {
			return nil, err
		}
		more = i > limit
		found = found[max(0, i-limit):i]
	}
	if len(found) > limit {
		more, found = true, found[:limit]
	}
	return object{"object": "list", "data": slices.Clone(found), "has_more": more, "url": url}, nil
}
