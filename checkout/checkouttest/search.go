package checkouttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// search returns the endpoint that searches the objects of a kind, newest first. At Stripe a search finds an object up to a minute
// after it was made; here it finds it at once. https://docs.stripe.com/search
func (s *Server) search(kind string) endpoint {
	return func(c *call) (object, *apiError) {
		query := c.params.Get("query")
		if query == nil {
			return nil, missing("query")
		}
		matches, err := parseQuery(query.String())
		if err != nil {
			return nil, err
		}
		var found []object
		for _, o := range slices.Backward(s.byKind[kind]) {
			if s.accountOf(o) == c.account && matches(o) {
				found = append(found, o)
			}
		}
		limit, start := 10, 0
		if l := c.params.Get("limit"); l != nil {
			if l.Int() < 1 || l.Int() > 100 {
				return nil, invalid("parameter_invalid_integer", "limit", "Limit must be between 1 and 100.")
			}
			limit = int(l.Int())
		}
		if page := c.params.Get("page"); page != nil {
			after := slices.IndexFunc(found, func(o object) bool { return o.str("id") == page.String() })
			if after < 0 {
				return nil, invalid("", "page", "Invalid page: it is the next_page of no answer to this query.")
			}
			start = after + 1
		}
		rest := found[start:]
		shown := object{"object": "search_result", "data": append([]object{}, rest[:min(limit, len(rest))]...), "has_more": len(rest) > limit, "next_page": nil, "url": c.url}
		if len(rest) > limit {
			shown["next_page"] = rest[limit-1]["id"]
		}
		return shown, nil
	}
}

// parseQuery reads a query: clauses such as status:"succeeded", amount>1000 and -metadata["k"]:"v", all joined by AND or all by OR.
// https://docs.stripe.com/search#search-query-language
func parseQuery(query string) (func(o object) bool, *apiError) {
	words, err := splitQuery(query)
	if err != nil {
		return nil, err
	}
	var clauses []func(o object) bool
	joint := ""
	for i, word := range words {
		if upper := strings.ToUpper(word); upper == "AND" || upper == "OR" {
			if joint != "" && joint != upper {
				return nil, badQuery("a query joins its clauses by AND or by OR, and not by both")
			}
			if i == 0 || i == len(words)-1 {
				return nil, badQuery(upper + " stands between two clauses")
			}
			joint = upper
			continue
		}
		clause, err := parseClause(word)
		if err != nil {
			return nil, err
		}
		clauses = append(clauses, clause)
	}
	if len(clauses) == 0 || len(clauses) > 10 {
		return nil, badQuery("a query has one to ten clauses")
	}
	return func(o object) bool {
		holds := func(clause func(o object) bool) bool { return clause(o) }
		if joint == "OR" {
			return slices.ContainsFunc(clauses, holds)
		}
		return !slices.ContainsFunc(clauses, func(clause func(o object) bool) bool { return !clause(o) })
	}, nil
}

func badQuery(why string) *apiError {
	return invalid("", "query", "We were unable to parse your search query: %s. See https://stripe.com/docs/search#search-query-language.", why)
}

// splitQuery splits a query at the spaces outside quotes.
func splitQuery(query string) ([]string, *apiError) {
	var words []string
	var word strings.Builder
	quote := rune(0)
	for _, c := range query {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == ' ':
			if word.Len() > 0 {
				words = append(words, word.String())
				word.Reset()
			}
			continue
		}
		word.WriteRune(c)
	}
	if quote != 0 {
		return nil, badQuery("a quotation mark is missing")
	}
	if word.Len() > 0 {
		words = append(words, word.String())
	}
	return words, nil
}

// parseClause reads one clause of a query.
func parseClause(text string) (func(o object) bool, *apiError) {
	rest, negative := strings.CutPrefix(text, "-")
	field := rest[:max(0, strings.IndexAny(rest+":", ":~<>"))]
	operator := ""
	for _, op := range []string{":", "~", ">=", "<=", ">", "<"} {
		if strings.HasPrefix(rest[len(field):], op) {
			operator = op
			break
		}
	}
	want, quoted := strings.CutPrefix(rest[len(field)+len(operator):], "\"")
	if !quoted {
		want, quoted = strings.CutPrefix(want, "'")
	}
	if quoted {
		want = want[:len(want)-1]
	}
	switch {
	case field == "" || operator == "":
		return nil, badQuery(fmt.Sprintf("%q is not a clause, such as status:\"succeeded\"", text))
	case want == "" && !quoted:
		return nil, badQuery("the value of " + field + " is missing")
	}
	path := strings.Split(strings.NewReplacer(`["`, ".", `"]`, "", "['", ".", "']", "").Replace(field), ".")
	return func(o object) bool { return compare(valueAt(o, path), operator, want, quoted) != negative }, nil
}

// valueAt returns the value to which a path leads, or nil.
func valueAt(o object, path []string) any {
	var v any = o
	for _, name := range path {
		inner, _ := v.(object)
		v = inner[name]
	}
	return v
}

// compare reports whether a value of an object is one that a clause asks for. The value null, without quotes, asks for none.
func compare(has any, operator, want string, quoted bool) bool {
	if want == "null" && !quoted {
		return has == nil
	}
	if has == nil {
		return false
	}
	text := fmt.Sprint(has)
	switch operator {
	case ":":
		return strings.EqualFold(text, want)
	case "~":
		return strings.Contains(strings.ToLower(text), strings.ToLower(want))
	}
	a, errA := strconv.ParseFloat(text, 64)
	b, errB := strconv.ParseFloat(want, 64)
	if errA != nil || errB != nil {
		return false
	}
	switch operator {
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	default:
		return a <= b
	}
}
