package checkouttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// This file holds what the API's second namespace does differently from the first: JSON in requests, the shape of errors,
// pages with tokens, and times as text. https://docs.stripe.com/api-v2-overview

// isV2 reports whether a path belongs to the second namespace.
func isV2(path string) bool { return strings.HasPrefix(path, "/v2/") }

// readValuesV2 reads the parameters of a request: from the URL for GET and DELETE, from a JSON object in the body for POST.
// It returns them as the keys and values of a form, which formparams checks.
func readValuesV2(r *http.Request, schema *formparams.Schema) (url.Values, *apiError) {
	if r.Method != http.MethodPost {
		return readQueryV2(r, schema)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return nil, invalid("", "", "The request body could not be read.")
	}
	values := url.Values{}
	body = bytes.TrimSpace(body)
	if len(body) == 0 || string(body) == "null" {
		return values, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var sent map[string]any
	if decoder.Decode(&sent) != nil || decoder.More() {
		return nil, invalid("", "", "The request body must be one JSON object.")
	}
	for key, v := range sent {
		flatten(values, key, v)
	}
	return values, nil
}

// readQueryV2 reads the parameters of a URL. An item of a list may be sent without brackets: include=a&include=b.
func readQueryV2(r *http.Request, schema *formparams.Schema) (url.Values, *apiError) {
	sent, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("", "", "The query of the URL is malformed.")
	}
	values := url.Values{}
	for key, texts := range sent {
		node := schema.Fields[key]
		if node == nil || node.Elem == nil {
			values[key] = texts
			continue
		}
		for i, text := range texts {
			values.Set(key+"["+strconv.Itoa(i)+"]", text)
		}
	}
	return values, nil
}

// flatten adds a JSON value to a form, below a key. A null stands for a parameter that was not sent. In metadata it removes
// its key, as the empty text does in a form.
func flatten(values url.Values, key string, v any) {
	switch v := v.(type) {
	case nil:
		if strings.HasPrefix(key, "metadata[") {
			values.Set(key, "")
		}
	case map[string]any:
		for name, field := range v {
			flatten(values, key+"["+name+"]", field)
		}
	case []any:
		for i, item := range v {
			flatten(values, key+"["+strconv.Itoa(i)+"]", item)
		}
	default:
		values.Set(key, fmt.Sprint(v))
	}
}

// defaultPageV2 is the size of a page if the request names none. Stripe does not document the size.
const defaultPageV2 = 20

// The token of a page is the ID of the object before or after the page, behind one of these. New objects then do not move the
// pages.
const pageAfter, pageBefore = "page_a", "page_b"

// pageV2 returns the page that a request asks for, of what show makes objects of: https://docs.stripe.com/api-v2-overview#list-pagination
func pageV2[T any](c *call, found []T, id func(T) string, show func(T) object) (object, *apiError) {
	limit := defaultPageV2
	if l := c.params.Get("limit"); l != nil {
		if l.Int() < 1 || l.Int() > 100 {
			return nil, invalid("", "limit", "Must be between 1 and 100.")
		}
		limit = int(l.Int())
	}
	first, err := firstOfPage(c.params.Get("page"), found, id, limit)
	if err != nil {
		return nil, err
	}
	page := found[first:min(first+limit, len(found))]
	var next, previous any
	if len(page) > 0 && first > 0 {
		previous = c.pageURL(pageBefore + id(page[0]))
	}
	if first+len(page) < len(found) {
		next = c.pageURL(pageAfter + id(page[len(page)-1]))
	}
	return object{"data": showAll(page, show), "next_page_url": next, "previous_page_url": previous}, nil
}

// firstOfPage returns the index of the first object of the page that a token names.
func firstOfPage[T any](token *formparams.Param, found []T, idOf func(T) string, limit int) (int, *apiError) {
	if token == nil {
		return 0, nil
	}
	id, isAfter := strings.CutPrefix(token.String(), pageAfter)
	id, isBefore := strings.CutPrefix(id, pageBefore)
	i := slices.IndexFunc(found, func(one T) bool { return idOf(one) == id })
	switch {
	case i < 0 || isAfter == isBefore:
		return 0, invalid("", "page", "Invalid page token.")
	case isAfter:
		return i + 1, nil
	default:
		return max(0, i-limit), nil
	}
}

// pageURL returns the URL of another page: the URL of the request with another token.
func (c *call) pageURL(token string) string {
	query := maps.Clone(c.query)
	query.Set("page", token)
	return c.url + "?" + query.Encode()
}

// timestamp returns a time as /v2 shows it.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// timeRange returns the filter for a range of times, such as the parameter `created`.
func timeRange(p *formparams.Param) (func(t time.Time) bool, *apiError) {
	bounds := map[string]time.Time{}
	for _, name := range []string{"gt", "gte", "lt", "lte"} {
		sent := p.Get(name)
		if sent == nil {
			continue
		}
		bound, err := time.Parse(time.RFC3339, sent.String())
		if err != nil {
			return nil, invalid("", sent.Name, "Invalid timestamp: must be in RFC 3339, such as 2026-10-01T09:00:00Z.")
		}
		bounds[name] = bound
	}
	return func(t time.Time) bool {
		for name, bound := range bounds {
			d := t.Compare(bound)
			if name == "gt" && d <= 0 || name == "gte" && d < 0 || name == "lt" && d >= 0 || name == "lte" && d > 0 {
				return false
			}
		}
		return true
	}, nil
}
