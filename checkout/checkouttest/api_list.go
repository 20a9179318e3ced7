package checkouttest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// list returns the endpoint that lists the objects of a kind, newest first. Each filter is named like the field that it
// compares.
func (s *Server) list(kind string, filters ...string) endpoint {
	return s.listIf(kind, nil, filters...)
}

// A condition decides whether a list shows an object, given a parameter that the request sent.
type condition func(o object, p *formparams.Param) bool

// listIf is list with additional conditions, by the names of their parameters.
func (s *Server) listIf(kind string, conditions map[string]condition, filters ...string) endpoint {
	done := slices.AppendSeq([]string{"created", "ending_before", "expand", "limit", "starting_after"}, maps.Keys(conditions))
	done = append(done, filters...)
	keep := func(o object, p *formparams.Param) bool {
		for name, cond := range conditions {
			if sent := p.Get(name); sent != nil && !cond(o, sent) {
				return false
			}
		}
		return true
	}
	return func(c *call) (object, *apiError) {
		if err := only(c.params, done...); err != nil {
			return nil, err
		}
		within, err := createdFilter(c.params)
		if err != nil {
			return nil, err
		}
		var found []object
		for _, o := range slices.Backward(s.byKind[kind]) {
			created, _ := o["created"].(int64)
			if s.accountOf(o) == c.account && within(created) && matches(o, c.params, filters...) && keep(o, c.params) {
				found = append(found, o)
			}
		}
		return listPage(found, c.url, kind, c.params)
	}
}

// matches reports whether the fields of an object have the values that a list asks for.
func matches(o object, p *formparams.Param, filters ...string) bool {
	for _, f := range filters {
		if want := p.Get(f); want != nil && (o[f] == nil || fmt.Sprint(o[f]) != want.String()) {
			return false
		}
	}
	return true
}

// createdFilter returns the filter for the parameter `created`: a time in seconds, or a range of times.
func createdFilter(p *formparams.Param) (func(created int64) bool, *apiError) {
	f := p.Get("created")
	if f != nil && f.IsSet && len(f.Fields) > 0 {
		return nil, invalid("", "created", "Invalid object")
	}
	return func(created int64) bool {
		gt, gte, lt, lte := f.Get("gt"), f.Get("gte"), f.Get("lt"), f.Get("lte")
		return (f == nil || !f.IsSet || created == f.Int()) &&
			(gt == nil || created > gt.Int()) && (gte == nil || created >= gte.Int()) &&
			(lt == nil || created < lt.Int()) && (lte == nil || created <= lte.Int())
	}, nil
}

// listPage returns one page of the objects found: https://docs.stripe.com/api/pagination
func listPage(found []object, url, kind string, p *formparams.Param) (object, *apiError) {
	return pageOf(found, object.id, func(o object) object { return o }, url, kind, p)
}

// pageOf is listPage of what show makes objects of. It shows those of the page alone: a server that has run for long has many events.
func pageOf[T any](found []T, id func(T) string, show func(T) object, url, kind string, p *formparams.Param) (object, *apiError) {
	limit := 10
	if l := p.Get("limit"); l != nil {
		if l.Int() < 1 || l.Int() > 100 {
			return nil, invalid("parameter_invalid_integer", "limit", "Limit must be between 1 and 100.")
		}
		limit = int(l.Int())
	}
	find := func(name string) (int, *apiError) {
		named := p.Get(name).String()
		i := slices.IndexFunc(found, func(one T) bool { return id(one) == named })
		if i < 0 {
			return 0, noSuch(http.StatusBadRequest, kind, named, name)
		}
		return i, nil
	}
	more := false
	switch {
	case p.Get("starting_after") != nil && p.Get("ending_before") != nil:
		return nil, onlyOneOf("", "starting_after", "ending_before")
	case p.Get("starting_after") != nil:
		i, err := find("starting_after")
		if err != nil {
			return nil, err
		}
		found = found[i+1:]
	case p.Get("ending_before") != nil:
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
	return object{"object": "list", "data": showAll(found, show), "has_more": more, "url": url}, nil
}

func showAll[T any](found []T, show func(T) object) []object {
	shown := []object{}
	for _, one := range found {
		shown = append(shown, show(one))
	}
	return shown
}

// among is the condition that the value of a field is one of those that the parameter lists.
func among(field string) condition {
	return func(o object, p *formparams.Param) bool { return slices.Contains(p.Strings(), o.str(field)) }
}
