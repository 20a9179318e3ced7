package checkouttest

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// keep files an object under its ID. Every object has an owner: the session that it came from, or one that is nothing but
// an account, for what was made by itself.
func (s *Server) keep(owner *session, o object) {
	id, kind := o.str("id"), o.str("object")
	s.objects[id] = o
	s.kinds[kind] = append(s.kinds[kind], o)
	s.owners[id] = owner
}

// ownerOf is the owner of an object that was kept.
func (s *Server) ownerOf(o object) *session { return s.owners[o.str("id")] }

func (s *Server) accountOf(o object) string { return s.ownerOf(o).account }

// find is an object of an account, or nil.
func (s *Server) find(account, kind, id string) object {
	o := s.objects[id]
	if o == nil || o.str("object") != kind || s.accountOf(o) != account || o["deleted"] == true {
		return nil
	}
	return o
}

// given is the object that a parameter names, of the call's account.
func (s *Server) given(c *call, kind string, p *param) (object, *apiError) {
	o := s.find(c.account, kind, p.str())
	if o == nil {
		return nil, noSuch(http.StatusBadRequest, kind, p.str(), p.name)
	}
	return o, nil
}

// named is the object that the path names.
func (s *Server) named(c *call, kind string) (object, *apiError) {
	id := c.path("id")
	o := s.find(c.account, kind, id)
	if o == nil {
		return nil, noSuch(http.StatusNotFound, kind, id, "id")
	}
	return o, nil
}

// retrieve is the endpoint of a plain object.
func (s *Server) retrieve(kind string) endpoint {
	return func(c *call) (object, *apiError) { return s.named(c, kind) }
}

// included are the lists that an object shows on request only: https://docs.stripe.com/expand#includable-properties
var included = map[string]bool{"checkout.session/line_items": true, "charge/refunds": true, "invoice/payments": true}

// lookUp finds what an ID stands for, or what an object includes only on request.
func (s *Server) lookUp(id string) object {
	if id, list, ok := strings.Cut(id, "/"); ok {
		return s.include(id, list)
	}
	if sess := s.sessions[id]; sess != nil {
		return sess.object
	}
	if o := s.objects[id]; o != nil {
		return o
	}
	if strings.HasPrefix(id, "pm_") {
		if ch := s.chargeBy(id); ch != nil {
			return methodOfCharge(ch)
		}
	}
	return nil
}

func (s *Server) include(id, list string) object {
	if list == "line_items" {
		return s.sessions[id].lineItems()
	}
	kind, of, url := "refund", "charge", "/v1/charges/"+id+"/refunds"
	if list == "payments" {
		kind, of, url = "invoice_payment", "invoice", "/v1/invoice_payments?invoice="+id
	}
	var found []object
	for _, o := range slices.Backward(s.kinds[kind]) {
		if o.str(of) == id {
			found = append(found, o)
		}
	}
	o, _ := page(found, url, kind, nil)
	return o
}

// previous is what of an object was different before: the previous_attributes of an event.
// https://docs.stripe.com/api/events/object#event_object-data-previous_attributes
func previous(was, o object) object {
	diff := object{}
	for k, v := range o {
		if !reflect.DeepEqual(was[k], v) {
			diff[k] = was[k]
		}
	}
	return diff
}

// report records an event of an object that was kept. was is a copy of it from before the change that the event is about; nil:
// the event tells of no change.
func (s *Server) report(typ string, o, was object, c *call) {
	var prev object
	if was != nil {
		prev = previous(was, o)
	}
	owner := s.ownerOf(o)
	s.emitFor(owner.account, owner.id(), typ, o, prev, c)
}
