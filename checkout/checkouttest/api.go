package checkouttest

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// An operation is one call that the API answers: a method on a path.
type operation struct {
	schema *formparams.Schema // of its parameters
	result string             // the kind of object that it answers with, as resultOf writes it
	serve  endpoint
}

// An endpoint answers a call. It runs with the server locked, and must not wait for anything.
type endpoint func(c *call) (object, *apiError)

// A call is one request to the API.
type call struct {
	id      string // req_…
	idemKey string
	account string // of the Stripe-Account or Stripe-Context header; empty: the platform's own
	v2      bool   // the call is in the namespace /v2
	method  string
	url     string // the path of the request
	path    func(name string) string
	query   url.Values
	params  *formparams.Param
	// loggedAt is the page of the request in the dashboard's log, which errors name. It is empty for a request without the key.
	loggedAt string

	original string        // the ID of the request whose answer the idempotency key remembers
	faults   requestFaults // that befall the call
}

// An answer is what the API sends back. Status 0 is no answer: a fault cut the connection.
type answer struct {
	status int
	body   []byte
}

func answerWith(o object) answer { return answer{http.StatusOK, encode(o)} }

// failure returns the answer of a call that fails.
func (c *call) failure(err *apiError) answer {
	if c.v2 {
		return answer{err.status, encode(err.bodyV2())}
	}
	body := err.body()
	if c.loggedAt != "" {
		body["error"].(object)["request_log_url"] = c.loggedAt
	}
	return answer{err.status, encode(body)}
}

// requestID returns the ID of a request. Those that read do not change the IDs of objects made later.
func (s *Server) requestID(method string) string {
	if method == http.MethodGet {
		return s.readIDs.next("req_", 14)
	}
	return s.newID("req_", 14)
}

// serveAPI serves one request. A nil operation stands for an unknown path.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, op *operation) {
	c := &call{
		id:      s.requestID(r.Method),
		idemKey: r.Header.Get("Idempotency-Key"),
		account: cmp.Or(r.Header.Get("Stripe-Context"), r.Header.Get("Stripe-Account")), // answer refuses both
		v2:      isV2(r.URL.Path),
		method:  r.Method,
		url:     r.URL.Path,
		query:   r.URL.Query(),
		path:    r.PathValue,
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Date", s.Now().UTC().Format(http.TimeFormat)) // by the server's clock, from which clients learn Stripe's time
	h.Set("Request-Id", c.id)
	h.Set("Stripe-Version", stripe.APIVersion) // whichever the request asked for
	for _, name := range []string{"Stripe-Account", "Stripe-Context"} {
		if account := r.Header.Get(name); account != "" {
			h.Set(name, account)
		}
	}
	if c.idemKey != "" {
		h.Set("Idempotency-Key", c.idemKey)
	}
	c.faults = s.requestFaultsOf(r)
	a, replayed := s.answerUnlessInUse(h, r, c, op)
	if c.hasIdemKey() && h.Get("Stripe-Should-Retry") == "" {
		h.Set("Stripe-Should-Retry", "false") // the answer would be the same
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
	_, _ = w.Write(a.body) // an error means that the client is gone
}

// answerUnlessInUse answers a call, unless another call with its idempotency key is still running.
func (s *Server) answerUnlessInUse(h http.Header, r *http.Request, c *call, op *operation) (_ answer, replayed bool) {
	if !c.hasIdemKey() {
		return s.answerUnderFaults(h, r, c, op)
	}
	if !s.reserveKey(c) {
		h.Set("Stripe-Should-Retry", "true")
		return c.failure(keyInUse(c)), false
	}
	defer s.releaseKey(c)
	return s.answerUnderFaults(h, r, c, op)
}

// answer checks a request and, if it is sound, executes it.
func (s *Server) answer(r *http.Request, c *call, op *operation) (_ answer, replayed bool) {
	if err := s.authenticate(r); err != nil {
		return c.failure(err), false
	}
	c.loggedAt = fmt.Sprintf("https://dashboard.stripe.com/test/logs/%s?t=%d", c.id, s.Now().Unix())
	if err := s.permit(r); err != nil {
		return c.failure(err), false
	}
	if r.Header.Get("Stripe-Context") != "" && r.Header.Get("Stripe-Account") != "" {
		return c.failure(invalid("", "", "You may only specify one of these headers: Stripe-Context, Stripe-Account.")), false
	}
	v := r.Header.Get("Stripe-Version")
	switch {
	case v != "" && !knownVersion(v):
		return c.failure(invalid("", "", "Invalid Stripe API version: %s", v)), false
	case v == "" && c.v2: // https://docs.stripe.com/api-v2-overview#sdk-and-api-versioning
		return c.failure(invalid("", "", "Requests to /v2 must have the header Stripe-Version.")), false
	}
	if op == nil {
		return c.failure(&apiError{
			status: http.StatusNotFound, typ: "invalid_request_error",
			message: fmt.Sprintf("Unrecognized request URL (%s: %s). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.", r.Method, r.URL.Path),
		}), false
	}
	if op == notBuiltHere {
		return c.failure(&apiError{
			status: http.StatusBadRequest, typ: "invalid_request_error", unsaved: true,
			message: fmt.Sprintf("This test server does not implement %s %s.", r.Method, r.URL.Path),
		}), false
	}
	values, err := readValues(r, op)
	if err != nil {
		return c.failure(err), false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.hasIdemKey() {
		return s.executeOnce(c, op, values)
	}
	a, _ := s.execute(c, op, values)
	return a, false
}

// execute does what a call asks for. It reports whether the idempotency key of the call remembers the answer: Stripe
// forgets the answers to requests that fail validation. The server is locked.
// https://docs.stripe.com/api/idempotent_requests
func (s *Server) execute(c *call, op *operation, values url.Values) (_ answer, remember bool) {
	params, refusal := formparams.Decode(op.schema, values)
	if refusal != nil {
		return c.failure(paramError(refusal)), false
	}
	c.params = params
	if err := c.checkExpand(op.result); err != nil {
		return c.failure(err), false
	}
	s.cause = c
	o, err := op.serve(c)
	s.cause = nil
	if err != nil {
		return c.failure(err), !err.unsaved && !c.v2 // /v2 executes a failed call again
	}
	if c.faults.fails[afterWrite] && !c.v2 {
		return c.failure(serverFailure()), true
	}
	o, err = s.expandAll(o, params.Get("expand").Strings())
	if err != nil && c.method == http.MethodGet {
		return c.failure(err), true
	}
	return answerWith(o), true // a write has happened, so the answer shows as much as can be expanded
}

// readValues reads the parameters of a request: from the URL for GET and DELETE, from the body for POST.
func readValues(r *http.Request, op *operation) (url.Values, *apiError) {
	if isV2(r.URL.Path) {
		return readValuesV2(r, op.schema)
	}
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

// authenticate checks the key, which comes as a bearer token or as the user name of basic authentication.
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

// recordCall adds a call to the history.
func (s *Server) recordCall(r *http.Request, c *call, a answer, replayed bool) {
	e := Entry{
		At: s.Now(), Status: a.status, Faults: c.faults.names, Method: r.Method, Path: r.URL.Path,
		RequestID: c.id, IdempotencyKey: c.idemKey, Replayed: replayed,
	}
	if a.status == 0 {
		e.Err = "connection cut"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(e)
}

// versions are the API versions from before versions had names: https://docs.stripe.com/changelog
var versions = strings.Fields(`2017-01-27 2017-02-14 2017-04-06 2017-05-25 2017-06-05 2017-08-15 2017-12-14 2018-01-23 2018-02-05 2018-02-06
2018-02-28 2018-05-21 2018-07-27 2018-08-23 2018-09-06 2018-09-24 2018-10-31 2018-11-08 2019-02-11 2019-02-19 2019-03-14 2019-05-16
2019-08-14 2019-09-09 2019-10-08 2019-10-17 2019-11-05 2019-12-03 2020-03-02 2020-08-27 2022-08-01 2022-11-15 2023-08-16 2023-10-16
2024-04-10 2024-06-20`)

// oldestVersion is the oldest version of the API in which the server sends events.
const oldestVersion = "2020-08-27"

// speaksVersion reports whether the server can send events of a version of the API.
func speaksVersion(v string) bool { return knownVersion(v) && v >= oldestVersion }

// checkEventVersion checks the parameter with which a webhook endpoint asks for a version of the API.
func checkEventVersion(p *formparams.Param) *apiError {
	switch v := p.String(); {
	case p == nil || speaksVersion(v):
		return nil
	case knownVersion(v):
		return invalid("", p.Name, "This test server sends no events of API versions before %s.", oldestVersion)
	default:
		return invalid("", p.Name, "Invalid Stripe API version: %s", v)
	}
}

// knownVersion reports whether Stripe has a version of the API. A named version may have any date, as Stripe publishes a
// new one each month. The server always answers in its own version, and says so in the Stripe-Version header.
func knownVersion(v string) bool {
	date, name, named := strings.Cut(v, ".")
	if !named {
		return slices.Contains(versions, v)
	}
	at, err := time.Parse(time.DateOnly, date)
	return err == nil && at.Year() >= 2024 && slices.Contains([]string{"acacia", "basil", "clover", "dahlia", "endive"}, name)
}

// serverFailure is the answer of a ServerError.
func serverFailure() *apiError {
	return &apiError{
		status: http.StatusInternalServerError, typ: "api_error",
		message: "An unknown error occurred. You can retry the request with the same idempotency key.",
	}
}
