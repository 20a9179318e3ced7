package checkouttest

import (
	"maps"
	"net/http"
)

// object is an API object.
// A nested value is replaced, never changed in place, so that a shallow copy is a snapshot.
type object map[string]any

func (o object) str(key string) string {
	s, _ := o[key].(string)
	return s
}

// orNull is nil for an empty string: the API says null where Go says "".
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// with is a copy of an object with other values.
func (o object) with(set object) object {
	out := maps.Clone(o)
	maps.Copy(out, set)
	return out
}

// set puts the values of parameters into the fields of the same names, as far as they were sent.
func (o object) set(p *param, names ...string) {
	for _, name := range names {
		if v := p.get(name); v != nil {
			o[name] = v.value()
		}
	}
}

func (o object) setMetadata(p *param) *apiError {
	meta, err := p.get("metadata").mergedInto(o["metadata"])
	if err == nil {
		o["metadata"] = meta
	}
	return err
}

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

// update changes an object all at once or, if set finds an error, not at all. It says so in an event if anything is new.
func (s *Server) update(c *call, o object, event string, set func(o object, p *param) *apiError) *apiError {
	changed := maps.Clone(o)
	if err := set(changed, c.params); err != nil {
		return err
	}
	was := maps.Clone(o)
	maps.Copy(o, changed)
	if len(previous(was, o)) > 0 {
		s.report(event, o, was, c)
	}
	return nil
}

// changeObject is change for an object of a kind. unknown is the error if there is none with this ID.
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
