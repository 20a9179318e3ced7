package checkouttest_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

var updateFlows = flag.Bool("update-flows", false, "write docs/test-stripe-flows.md from the flows")

const flowsPage = "../../docs/test-stripe-flows.md"

// A flow is a payment from its beginning to its end, beside what Stripe documents of it, or what was recorded of Stripe.
type flow struct {
	title string
	steps []flowStep
}

// A flowStep is one thing that happens, then one request of the shop. Both answer and events name only values that a source
// gives.
type flowStep struct {
	does    string             // what happens, in a sentence
	act     func(run *flowRun) // what the customer, the bank or the clock does; nil: only the shop does something
	request string             // method and path, with {kind} for the ID of the latest object of a kind; empty: none
	params  []string           // names and values
	status  int                // of the answer; 0: 200
	answer  string             // values, as "status=open url=*", where * is any but null
	events  []string           // a type and its values each; "previous." begins a path in previous_attributes
	ordered bool               // a source gives the order of the events
	sources []string           // keys of flowSources
	differs []difference
}

// A difference is one that stays, with its reason. What it is, is as differences writes it.
type difference struct{ what, reason string }

// A flowRun is a flow that is played.
type flowRun struct {
	t   *testing.T
	srv *checkouttest.Server
	in  *inbox
	ids map[string]string // of the latest object of each kind
}

// A playedStep is what the server did in a step.
type playedStep struct {
	status int // 0: there was no request
	answer map[string]any
	events []map[string]any
}

func (f flow) play(t *testing.T) (played []playedStep) {
	t.Helper()
	srv := newServer(t, checkouttest.Config{Start: time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC), Seed: 1})
	run := &flowRun{t: t, srv: srv, in: newInbox(srv), ids: map[string]string{}}
	for _, step := range f.steps {
		played = append(played, run.step(step))
	}
	return played
}

func (run *flowRun) step(step flowStep) (out playedStep) {
	run.t.Helper()
	if step.act != nil {
		step.act(run)
		run.hear(&out)
	}
	if step.request != "" {
		method, path, _ := strings.Cut(step.request, " ")
		path, params := run.withIDs(path), slices.Clone(step.params)
		for i := range params {
			params[i] = run.withIDs(params[i])
		}
		resp, answer := request(run.t, run.srv, method, path, form(params...))
		out.status, out.answer = resp.StatusCode, answer
		run.note(answer)
	}
	run.hear(&out)
	return out
}

// hear adds the events that have come to a step.
func (run *flowRun) hear(step *playedStep) {
	run.srv.Flush()
	events := run.in.take(run.t)
	step.events = append(step.events, events...)
	for _, e := range events {
		run.note(e["data"].(map[string]any)["object"].(map[string]any))
	}
}

// note remembers the ID of an object.
func (run *flowRun) note(o map[string]any) {
	if str(o["id"]) != "" {
		run.ids["{"+str(o["object"])+"}"] = str(o["id"])
	}
}

func (run *flowRun) withIDs(text string) string {
	for name, id := range run.ids {
		text = strings.ReplaceAll(text, name, id)
	}
	require.NotContains(run.t, text, "{checkout.", "the flow has no such object yet")
	return text
}

func (run *flowRun) id(kind string) string { return run.ids["{"+kind+"}"] }

func pays(method checkouttest.PaymentMethod) func(*flowRun) {
	return func(run *flowRun) { require.NoError(run.t, run.srv.Pay(run.id("checkout.session"), method)) }
}

func givesMethod(method checkouttest.PaymentMethod) func(*flowRun) {
	return func(run *flowRun) { require.NoError(run.t, run.srv.ReplaceMethod(run.id("subscription"), method)) }
}

func passes(d time.Duration) func(*flowRun) {
	return func(run *flowRun) { run.srv.Advance(d) }
}

// take returns the accepted events, and empties the inbox.
func (in *inbox) take(t *testing.T) (events []map[string]any) {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	require.Empty(t, in.bad)
	for _, body := range in.bodies {
		var e map[string]any
		require.NoError(t, json.Unmarshal(body, &e))
		events = append(events, e)
	}
	in.events, in.bodies = nil, nil
	return events
}

func (step flowStep) wantedStatus() int { return cmp.Or(step.status, http.StatusOK) }

// differences returns what the server did otherwise than the step says: "status 400", "answer payment_status = unpaid",
// "charge.failed is missing", "charge.updated is not expected", "the order of the events", or "charge.failed captured = true".
func (step flowStep) differences(played playedStep) (all []string) {
	if step.request != "" && played.status != step.wantedStatus() {
		all = append(all, fmt.Sprintf("status %d", played.status))
	}
	all = append(all, wrongValues("answer", strings.Fields(step.answer), played.answer, nil)...)

	left := slices.Clone(played.events)
	var expected, sent []string // the types of the events that were expected and sent, in both orders
	for _, line := range step.events {
		fields := strings.Fields(line)
		i := slices.IndexFunc(left, func(e map[string]any) bool { return e["type"] == fields[0] })
		if i < 0 {
			all = append(all, fields[0]+" is missing")
			continue
		}
		data := left[i]["data"].(map[string]any)
		previous, _ := data["previous_attributes"].(map[string]any)
		all = append(all, wrongValues(fields[0], fields[1:], data["object"].(map[string]any), previous)...)
		expected = append(expected, fields[0])
		left = slices.Delete(left, i, i+1)
	}
	for _, e := range left {
		all = append(all, str(e["type"])+" is not expected")
	}
	for _, e := range played.events {
		if slices.Contains(expected, str(e["type"])) {
			sent = append(sent, str(e["type"]))
		}
	}
	if step.ordered && !slices.Equal(expected, sent) {
		all = append(all, wrongOrder)
	}
	return all
}

const wrongOrder = "the order of the events"

// wrongValues returns the values that an object has otherwise than wanted.
func wrongValues(of string, wanted []string, o, previous map[string]any) (wrong []string) {
	for _, want := range wanted {
		path, value, _ := strings.Cut(want, "=")
		got, exists := valueAt(o, previous, path)
		switch {
		case !exists:
			wrong = append(wrong, of+" "+path+" is missing")
		case value == "*" && got == nil, value != "*" && value != shown(got):
			wrong = append(wrong, of+" "+path+" = "+shown(got))
		}
	}
	return wrong
}

// valueAt returns the value at a path of an object, or of what the object was before.
func valueAt(o, previous map[string]any, path string) (v any, exists bool) {
	if rest, found := strings.CutPrefix(path, "previous."); found {
		o, path = previous, rest
	}
	v = o
	for name := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v, exists = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			exists = err == nil && i < len(in)
			if exists {
				v = in[i]
			}
		default:
			exists = false
		}
		if !exists {
			return nil, false
		}
	}
	return v, true
}

func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		return "{…}"
	case []any:
		return "[…]"
	default:
		return fmt.Sprint(v)
	}
}

// Each flow does what Stripe documents or was recorded to do, apart from the differences that its steps list. docs/test-stripe-flows.md
// shows both beside each other.
func TestFlows(t *testing.T) {
	t.Parallel()
	page := &flowPage{first: map[string]string{}, where: map[string][]string{}}
	for i, f := range tenFlows {
		played := f.play(t)
		for j, step := range f.steps {
			for _, source := range step.sources {
				require.Contains(t, flowSources, source)
			}
			found := step.differences(played[j])
			for _, what := range found {
				if !slices.ContainsFunc(step.differs, func(d difference) bool { return d.what == what }) {
					t.Errorf("%d.%d %s: %s, and no reason is given", i+1, j+1, f.title, what)
				}
			}
			for _, d := range step.differs {
				require.Contains(t, found, d.what, "%d.%d %s: the listed difference is none", i+1, j+1, f.title)
			}
		}
		page.addFlow(i+1, f, played)
	}
	text := page.text(t)
	if *updateFlows {
		require.NoError(t, os.WriteFile(flowsPage, []byte(text), 0o644))
	}
	was, err := os.ReadFile(flowsPage)
	require.NoError(t, err)
	// The texts are long, and git shows their difference better than a failed test would.
	require.True(t, string(was) == text, "docs/test-stripe-flows.md is old: run go test ./checkout/checkouttest -run TestFlows -update-flows")
}

// sampleOfFlows samples the answers and the events of all flows. kind names the sample of an event or an answer.
func sampleOfFlows(t *testing.T, kind func(eventType string) string) map[string]sample {
	t.Helper()
	samples := map[string]sample{}
	add := func(name string, o map[string]any) {
		if samples[name] == nil {
			samples[name] = sample{}
		}
		samples[name].add(stripe.APIVersion, whole, o)
	}
	for _, f := range tenFlows {
		for _, step := range f.play(t) {
			if step.answer["object"] != nil {
				add(kind(""), step.answer)
			}
			for _, e := range step.events {
				add(kind(str(e["type"])), e)
			}
		}
	}
	for _, s := range samples {
		s.settle()
	}
	return samples
}

// acceptedReasons returns the reasons of the accepted differences of keys, by their paths.
func acceptedReasons() map[string]string {
	reasons := map[string]string{}
	for _, a := range accepted {
		for _, name := range a.keys {
			reasons[a.kind+" "+name] = a.reason
		}
	}
	return reasons
}

// ofOneMethod are keys that the objects of some payment methods have, and that the flows with other methods lack.
var ofOneMethod = map[string]bool{
	"checkout.session payment_method_options.card": true, "payment_intent payment_method_options.card": true,
	"payment_method sepa_debit.bank_code": true, "payment_method sepa_debit.branch_code": true, "payment_method sepa_debit.country": true,
	"payment_method sepa_debit.generated_from": true,
}

// The answers and the events of the flows have the keys that all recorded objects have.
func TestKeysOfFlows(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(recordingsFile)
	require.NoError(t, err)
	recorded := parseRecordings(t, string(text))
	ours := sampleOfFlows(t, func(eventType string) string {
		if eventType == "" {
			return "answers"
		}
		return "events"
	})
	reasons := acceptedReasons()
	for of, s := range ours {
		for _, path := range slices.Sorted(maps.Keys(recorded)) {
			difference := drift(recorded, s, path)
			if strings.Contains(difference, "missing") && recorded[path].always && reasons[path] == "" && !ofOneMethod[path] {
				t.Errorf("%s: %s %s", of, path, difference)
			}
		}
	}
}

// Each event of the flows has the keys that all recorded events of its type have. It needs the recordings.
func TestFlowsAgainstRecordedEvents(t *testing.T) {
	t.Parallel()
	recorded := map[string]sample{}
	for r := range recordings(t) {
		if recorded[r.eventType] == nil {
			recorded[r.eventType] = sample{}
		}
		recorded[r.eventType].add(r.version, r.from, r.object)
	}
	ours := sampleOfFlows(t, func(eventType string) string { return eventType })
	reasons := acceptedReasons()
	compared := 0
	for eventType, s := range ours {
		theirs := recorded[eventType]
		if theirs == nil {
			continue
		}
		compared++
		theirs.settle()
		for _, path := range slices.Sorted(maps.Keys(theirs)) {
			difference := drift(theirs, s, path)
			if strings.Contains(difference, "missing") && theirs[path].always && !strings.HasSuffix(path, "[]") && reasons[path] == "" && !ofOneMethod[path] {
				t.Errorf("%s: %s %s", eventType, path, difference)
			}
		}
	}
	require.Greater(t, compared, 15, "types of events")
}
