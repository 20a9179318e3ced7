package checkouttest

import (
	"maps"
	"net/http"
	"slices"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// An object is an object of the API. Code replaces nested values, and never changes them in place: a shallow copy of an
// object is therefore a snapshot.
type object map[string]any

// str returns a field that holds text, or "".
func (o object) str(key string) string {
	s, _ := o[key].(string)
	return s
}

func (o object) id() string { return o.str("id") }

// orNull returns nil for "", as the API shows null for missing text.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// with returns a copy of an object in which the fields of set are replaced.
func (o object) with(set object) object {
	out := maps.Clone(o)
	maps.Copy(out, set)
	return out
}

// set copies the parameters that were sent into the fields of the same names.
func (o object) set(p *formparams.Param, names ...string) {
	for _, name := range names {
		if v := p.Get(name); v != nil {
			o[name] = value(v)
		}
	}
}

// setMetadata merges the metadata that was sent into an object.
func (o object) setMetadata(p *formparams.Param) *apiError {
	meta, err := mergeMetadata(o["metadata"], p.Get("metadata"))
	if err == nil {
		o["metadata"] = meta
	}
	return err
}

// keep stores an object under its ID. Every object has an owner: the session that it came from. The owner of an object that
// came from no session is a session that has nothing but an account.
func (s *Server) keep(owner *session, o object) {
	id, kind := o.str("id"), o.str("object")
	s.objects[id] = o
	s.byKind[kind] = append(s.byKind[kind], o)
	s.owners[id] = owner
	for _, named := range namedBy(o) {
		s.naming[kind+"/"+named] = append(s.naming[kind+"/"+named], o)
	}
}

// remove deletes an object, and returns what the API shows of it.
func (s *Server) remove(o object) object {
	id, kind := o.str("id"), o.str("object")
	s.byKind[kind] = slices.DeleteFunc(s.byKind[kind], func(k object) bool { return k["id"] == id })
	gone := object{"id": id, "object": kind, "deleted": true}
	s.objects[id] = gone
	return gone
}

// namedBy returns the IDs that an object names and by which the server looks it up. They never change.
func namedBy(o object) []string {
	switch o.str("object") {
	case "charge":
		return []string{o.str("payment_intent"), o.str("payment_method")}
	case "credit_note":
		return []string{o.str("invoice")}
	case "customer_cash_balance_transaction":
		return []string{o.str("customer")}
	case "invoice_payment":
		return []string{o.str("invoice"), intentOf(o)}
	case "refund":
		return []string{o.str("charge")}
	default:
		return nil
	}
}

// ownerOf returns the owner of a stored object.
func (s *Server) ownerOf(o object) *session { return s.owners[o.str("id")] }

func (s *Server) accountOf(o object) string { return s.ownerOf(o).account }

// find returns an object of an account, or nil.
func (s *Server) find(account, kind, id string) object {
	o := s.objects[id]
	if o == nil || o.str("object") != kind || s.accountOf(o) != account || o["deleted"] == true {
		return nil
	}
	return o
}

// objectInParam returns the object that a parameter names. The object must belong to the call's account.
func (s *Server) objectInParam(c *call, kind string, p *formparams.Param) (object, *apiError) {
	o := s.find(c.account, kind, p.String())
	if o == nil {
		return nil, noSuch(http.StatusBadRequest, kind, p.String(), p.Name)
	}
	return o, nil
}

// objectInPath returns the object that the path of the request names.
func (s *Server) objectInPath(c *call, kind string) (object, *apiError) {
	id := c.path("id")
	o := s.find(c.account, kind, id)
	if o == nil {
		return nil, noSuch(http.StatusNotFound, kind, id, "id")
	}
	return o, nil
}

// retrieve returns the endpoint that shows an object of a kind.
func (s *Server) retrieve(kind string) endpoint {
	return func(c *call) (object, *apiError) { return s.objectInPath(c, kind) }
}

// update changes an object with set, and emits an event if a field has changed. If set returns an error, update changes
// nothing.
func (s *Server) update(c *call, o object, event string, set func(o object, p *formparams.Param) *apiError) *apiError {
	changed := maps.Clone(o)
	if err := set(changed, c.params); err != nil {
		return err
	}
	was := maps.Clone(o)
	maps.Copy(o, changed)
	if len(previous(was, o)) > 0 {
		s.emitChange(event, o, was, c)
	}
	return nil
}

// changeObject changes an object and waits for the deliveries. It returns unknown if no object of the kind has the ID.
func (s *Server) changeObject(kind, id string, unknown error, do func(o object) error) error {
	s.mu.Lock()
	o, err := s.objects[id], unknown
	if o.str("object") == kind {
		err = do(o)
	}
	s.mu.Unlock()
	s.Flush()
	return err
}
