package checkouttest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// list is the endpoint that lists the objects of a kind, newest first, by filters that are named like their fields.
func (s *Server) list(kind string, filters ...string) endpoint {
	return s.listIf(kind, nil, filters...)
}

// A condition says whether an object is listed, by a parameter that was sent.
type condition func(o object, p *param) bool

// listIf is list with conditions besides, by the names of their parameters.
func (s *Server) listIf(kind string, conditions map[string]condition, filters ...string) endpoint {
	done := slices.AppendSeq([]string{"created", "ending_before", "expand", "limit", "starting_after"}, maps.Keys(conditions))
	done = append(done, filters...)
	keep := func(o object, p *param) bool {
		for name, cond := range conditions {
			if sent := p.get(name); sent != nil && !cond(o, sent) {
				return false
			}
		}
		return true
	}
	return func(c *call) (object, *apiError) {
		if err := c.params.only(done...); err != nil {
			return nil, err
		}
		within, err := createdFilter(c.params)
		if err != nil {
			return nil, err
		}
		var found []object
		for _, o := range slices.Backward(s.kinds[kind]) {
			created, _ := o["created"].(int64)
			if s.accountOf(o) == c.account && within(created) && matches(o, c.params, filters...) && keep(o, c.params) {
				found = append(found, o)
			}
		}
		return page(found, c.url, kind, c.params)
	}
}

// matches says whether an object has the values that a list asks for.
func matches(o object, p *param, filters ...string) bool {
	for _, f := range filters {
		if want := p.get(f); want != nil && (o[f] == nil || fmt.Sprint(o[f]) != want.str()) {
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
	case p.get("starting_after") != nil && p.get("ending_before") != nil:
		return nil, onlyOneOf("", "starting_after", "ending_before")
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
	return object{"object": "list", "data": append([]object{}, found...), "has_more": more, "url": url}, nil
}

// among is a condition: a field's value is one of those that the parameter lists.
func among(field string) condition {
	return func(o object, p *param) bool { return slices.Contains(p.strings(), o.str(field)) }
}
