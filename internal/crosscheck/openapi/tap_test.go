package openapi

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// An exchange is a request and its answer.
type exchange struct {
	method, path, query string
	header              http.Header
	body                string
	status              int
	answer              []byte
}

// values returns the request's parameters.
func (x exchange) values() url.Values {
	raw := x.body
	if x.method == http.MethodGet || x.method == http.MethodDelete {
		raw = x.query
	}
	values, _ := url.ParseQuery(raw)
	return values
}

// tap keeps the exchanges that go through a transport.
type tap struct {
	to http.RoundTripper

	mu   sync.Mutex
	seen []exchange
}

// RoundTrip implements http.RoundTripper.
func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchange{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, header: r.Header.Clone()}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		x.body = string(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := t.to.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	x.answer, err = io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(x.answer))
	x.status = resp.StatusCode
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = append(t.seen, x)
	return resp, nil
}
