package checkouttest

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// A call is one request to the API, authenticated and decoded.
type call struct {
	id      string // req_…
	idemKey string
	account string // of the Stripe-Account header; empty: the platform's own
	method  string
	url     string // path of the request
	path    func(name string) string
	params  *param

	original string  // ID of the request that an idempotency key remembers
	trouble  trouble // on purpose
}

// recordCall adds a call to the history.
func (s *Server) recordCall(r *http.Request, c *call, a answer, replayed bool) {
	e := Entry{
		At: s.Now(), Status: a.status, Faults: c.trouble.names, Method: r.Method, Path: r.URL.Path,
		RequestID: c.id, IdempotencyKey: c.idemKey, Replayed: replayed,
	}
	if a.status == 0 {
		e.Err = "connection cut"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(e)
}

// versions are those of the API before they had names: https://docs.stripe.com/changelog
var versions = strings.Fields(`2017-01-27 2017-02-14 2017-04-06 2017-05-25 2017-06-05 2017-08-15 2017-12-14 2018-01-23 2018-02-05 2018-02-06
2018-02-28 2018-05-21 2018-07-27 2018-08-23 2018-09-06 2018-09-24 2018-10-31 2018-11-08 2019-02-11 2019-02-19 2019-03-14 2019-05-16
2019-08-14 2019-09-09 2019-10-08 2019-10-17 2019-11-05 2019-12-03 2020-03-02 2020-08-27 2022-08-01 2022-11-15 2023-08-16 2023-10-16
2024-04-10 2024-06-20`)

// knownVersion says whether Stripe has such a version of the API. Of those with a name any date will do: new ones come
// each month. Whatever was asked for, this server answers in its own version, and says so in the Stripe-Version header.
func knownVersion(v string) bool {
	date, name, named := strings.Cut(v, ".")
	if !named {
		return slices.Contains(versions, v)
	}
	at, err := time.Parse(time.DateOnly, date)
	return err == nil && at.Year() >= 2024 && slices.Contains([]string{"acacia", "basil", "clover", "dahlia"}, name)
}

// An endpoint answers a call. It runs with the server locked, and must not wait for anything.
type endpoint func(c *call) (object, *apiError)

// An answer is what a call is answered with.
type answer struct {
	status int
	body   []byte
}

func answerWith(o object, err *apiError) answer {
	if err != nil {
		return answer{err.status, encode(err.body())}
	}
	return answer{http.StatusOK, encode(o)}
}

// serveAPI serves one call. A nil endpoint is an unknown path.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, known *schema, do endpoint) {
	c := &call{
		id:      s.newID("req_", 14),
		idemKey: r.Header.Get("Idempotency-Key"),
		account: r.Header.Get("Stripe-Account"),
		method:  r.Method,
		url:     r.URL.Path,
		path:    r.PathValue,
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Request-Id", c.id)
	h.Set("Stripe-Version", stripe.APIVersion) // whichever was asked for
	if c.account != "" {
		h.Set("Stripe-Account", c.account)
	}
	if c.idemKey != "" {
		h.Set("Idempotency-Key", c.idemKey)
	}
	c.trouble = s.troubleOf(r)
	a, replayed := s.answerAlone(h, r, c, known, do)
	if c.keyed() && h.Get("Stripe-Should-Retry") == "" {
		h.Set("Stripe-Should-Retry", "false") // it would be answered the same
	}
	if c.original != "" {
		h.Set("Original-Request", c.original)
	}
	if replayed {
		h.Set("Idempotent-Replayed", "true")
	}
	s.recordCall(r, c, a, replayed)
	if a.status == 0 {
		hangUp(w)
		return
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may be gone; nothing more can be done for it
}

// answerAlone answers a call unless another one with its idempotency key is under way.
func (s *Server) answerAlone(h http.Header, r *http.Request, c *call, known *schema, do endpoint) (_ answer, replayed bool) {
	release, free := s.reserve(c)
	if !free {
		h.Set("Stripe-Should-Retry", "true")
		return answerWith(nil, keyInUse(c)), false
	}
	defer release()
	return s.answerOrFail(h, r, c, known, do)
}

func (s *Server) answer(r *http.Request, c *call, known *schema, do endpoint) (_ answer, replayed bool) {
	if err := s.authenticate(r); err != nil {
		return answerWith(nil, err), false
	}
	if v := r.Header.Get("Stripe-Version"); v != "" && !knownVersion(v) {
		return answerWith(nil, invalid("", "", "Invalid Stripe API version: %s", v)), false
	}
	if do == nil {
		return answerWith(nil, &apiError{
			status: http.StatusNotFound, typ: "invalid_request_error",
			message: fmt.Sprintf("Unrecognized request URL (%s: %s). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.", r.Method, r.URL.Path),
		}), false
	}
	values, err := readValues(r)
	if err != nil {
		return answerWith(nil, err), false
	}
	run := func() (answer, bool) {
		params, err := decode(known, values)
		if err != nil {
			return answerWith(nil, err), false
		}
		c.params = params
		if err := c.checkExpand(known.result); err != nil {
			return answerWith(nil, err), false
		}
		o, err := do(c)
		if err != nil {
			return answerWith(nil, err), !err.unsaved
		}
		if c.trouble.failed[afterWrite] {
			return answerWith(nil, broken()), true
		}
		o, err = s.expandAll(o, params.get("expand").strings())
		if err != nil && c.method == http.MethodGet {
			return answerWith(nil, err), true
		}
		return answerWith(o, nil), true // what has been done is not refused any more
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.keyed() {
		return s.once(c, values.Encode(), run)
	}
	a, _ := run()
	return a, false
}

// readValues reads the parameters: of the URL for GET, of the form in the body for POST.
func readValues(r *http.Request) (url.Values, *apiError) {
	raw := r.URL.RawQuery
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return nil, invalid("", "", "The request body could not be read.")
		}
		raw = string(body)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, invalid("", "", "Invalid request: the parameters are not form-encoded.")
	}
	return values, nil
}

// authenticate checks the key, given as a bearer token or as the user of basic authentication.
// https://docs.stripe.com/api/authentication
func (s *Server) authenticate(r *http.Request) *apiError {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		key, _, _ = r.BasicAuth()
	}
	key = strings.TrimSpace(key)
	message := ""
	switch {
	case key == s.key:
		return nil
	case key == "":
		message = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/."
	case strings.Contains(key, "_live_"):
		message = "Invalid API Key provided: this is a test server, and takes no live key."
	default:
		message = "Invalid API Key provided: it is not the key of this test server."
	}
	return &apiError{status: http.StatusUnauthorized, typ: "invalid_request_error", message: message}
}

// broken is an error of the server's own.
func broken() *apiError {
	return &apiError{
		status: http.StatusInternalServerError, typ: "api_error",
		message: "An unknown error occurred. You can retry the request with the same idempotency key.",
	}
}
