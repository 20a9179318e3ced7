package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// An outcome says what became of a recorded request.
type outcome string

const (
	replayed outcome = "replayed"
	// The reasons why a request cannot be replayed.
	madeBefore  outcome = "names an object that was made before the recording"
	afterOther  outcome = "names an object that an earlier answer lacks here"
	noKey       outcome = "was refused for its key or its permissions"
	noAnswer    outcome = "has no answer in JSON"
	overloaded  outcome = "failed at Stripe, or met a limit"
	olderThan   outcome = "is older than -since"
	unsupported outcome = "is not built here, and refused by name"
)

// A result is what became of one recorded request.
type result struct {
	route       string
	version     string
	outcome     outcome
	statusAgree bool
	keys, agree int
	differences []difference
}

// A replay replays cassettes, each against a test server of its own.
type replay struct {
	results []result
	// versions and days have the API versions and the days of the recordings of a key, by the kind of object and the key.
	versions, days spans
	since          string
}

// spans have the first and the last text in which something occurs.
type spans map[string]span

type span struct{ first, last string }

func (s spans) add(key, text string) {
	if text == "" {
		return
	}
	before, seen := s[key]
	if !seen {
		before = span{text, text}
	}
	s[key] = span{min(before.first, text), max(before.last, text)}
}

// note notes that a recording has a key.
func (r *replay) note(where string, i interaction) {
	r.versions.add(where, i.version)
	r.days.add(where, i.day())
}

// play replays one cassette.
func (r *replay) play(tape cassette) {
	start := time.Now()
	if at := tape.interactions[0].at; !at.IsZero() {
		start = at
	}
	server := checkouttest.NewServer(checkouttest.Config{Start: start, Sequential: true, Seed: 1})
	defer server.Close()
	p := player{server: server, ids: newIDMap(), objects: recordedObjects(tape)}
	for n, i := range tape.interactions {
		if !i.at.IsZero() {
			server.Advance(max(0, i.at.Sub(server.Now())))
		}
		result := r.request(&p, i)
		result.route, result.version = route(i), i.version
		for d := range result.differences {
			result.differences[d].version, result.differences[d].day = i.version, i.day()
			result.differences[d].example = fmt.Sprintf("%s, request %d", tape.name, n+1)
		}
		r.results = append(r.results, result)
		p.ids.see(i.answer)
	}
}

// A player is the replay of one cassette.
type player struct {
	server  *checkouttest.Server
	ids     *idMap
	objects map[string]map[string]any // all recorded objects, by their IDs, as they were first recorded
}

// request replays a request and compares the answers.
func (r *replay) request(p *player, i interaction) result {
	if why := unplayable(i, r.since); why != "" {
		return result{outcome: why}
	}
	filtered, why := p.prepare(i)
	if why != "" {
		return result{outcome: why}
	}
	status, ours := p.send(i)
	c := comparison{ids: p.ids, filtered: filtered, recordedIn: func(where string) { r.note(where, i) }}
	message := text(pick(ours, "error", "message"))
	if strings.HasPrefix(message, "This test server does not implement "+i.method+" /") {
		return result{outcome: unsupported}
	}
	switch {
	case status != i.status:
		c.differences = []difference{{
			kind: statusDiffers, where: route(i), recorded: statusOf(i.status, i.answer), ours: statusOf(status, ours), message: message,
		}}
	case status >= http.StatusBadRequest:
		c.errors(route(i), i.answer, ours)
	default:
		c.answer(i.answer, ours)
	}
	return result{outcome: replayed, statusAgree: status == i.status, keys: c.keys, agree: c.agree, differences: c.differences}
}

// statusOf writes a status, and the code or else the type of the error.
func statusOf(status int, answer map[string]any) string {
	written := fmt.Sprint(status)
	for _, key := range []string{"code", "type"} {
		if s := text(pick(answer, "error", key)); s != "" {
			return written + " " + s
		}
	}
	return written
}

// unplayable returns why a request cannot be replayed, as far as the recording alone tells.
func unplayable(i interaction, since string) outcome {
	switch {
	case i.version < since:
		return olderThan
	case i.status == http.StatusUnauthorized || i.status == http.StatusForbidden:
		return noKey
	case i.status == http.StatusTooManyRequests || i.status >= http.StatusInternalServerError:
		return overloaded
	case i.answer == nil:
		return noAnswer
	}
	return ""
}

// prepare makes the objects that a request names and that the cassette did not make. It reports whether the request names an object
// that the test server knows, or says why the request cannot be replayed.
func (p *player) prepare(i interaction) (filtered bool, _ outcome) {
	missing := text(pick(i.answer, "error", "code")) == "resource_missing"
	for _, id := range references(i) {
		_, known := p.ids.ours[id]
		switch {
		case known:
		case missing:
			continue // the test server must not have it either
		case p.seed(id, i.account):
		case p.ids.seen[id]:
			return false, afterOther
		default:
			return false, madeBefore
		}
		filtered = true
	}
	return filtered, ""
}

// send sends a request to the test server, with the test server's IDs.
func (p *player) send(i interaction) (status int, answer map[string]any) {
	target := p.ids.translate(i.path)
	if i.query != "" {
		target += "?" + p.ids.translate(i.query)
	}
	r := httptest.NewRequest(i.method, target, strings.NewReader(p.ids.translate(i.body)))
	r.Header.Set("Authorization", "Bearer "+p.server.Key())
	if i.method == http.MethodPost {
		r.Header.Set("Content-Type", i.contentType)
	}
	if strings.HasPrefix(i.path, "/v2/") {
		r.Header.Set("Stripe-Version", i.version)
	}
	for name, value := range map[string]string{"Idempotency-Key": i.idemKey, "Stripe-Account": i.account} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	p.server.ServeHTTP(w, r)
	_ = json.Unmarshal(w.Body.Bytes(), &answer)
	return w.Code, answer
}

// recordedObjects returns the objects of all answers of a cassette by their IDs, as they were first recorded.
func recordedObjects(tape cassette) map[string]map[string]any {
	objects := map[string]map[string]any{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			id := text(v["id"])
			if id != "" && text(v["object"]) != "" && v["deleted"] == nil && objects[id] == nil {
				objects[id] = v
			}
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	for _, i := range tape.interactions {
		walk(any(i.answer))
	}
	return objects
}
