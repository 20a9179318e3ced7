package checkouttest_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const flowsIntro = `# The test Stripe beside Stripe, in ten flows

How far can a test trust ` + "`checkouttest`" + `? This page plays ten flows with it. Beside each request it has the answer and the events
that Stripe documents, or that were recorded of Stripe, and what the test server does. ` + "`TestFlows`" + ` compares both and writes this page.

`

// flowsReading says how to read the page. It stands below the figures.
const flowsReading = `
- A row with a number is a step, its sources, the request of the shop, and the answer. The rows below it are the events of the step.
- *same*: the server's answer or event has each value of the column Stripe. A value after *same* has no source: it is the server's choice.
- *in this order*: a source shows the order of the events, and the server's order is compared with it. Elsewhere the order is a choice.
  Stripe promises no order ([webhooks]), so a shop must not rely on one.
- *set* is an ID, a URL or a time: any value but null. The status of an answer is 200 where none is shown.
- [types] documents each type of event. A *listing* is a published output of ` + "`stripe listen`" + `. A source that begins with *rec* is an
  answer or an event that another project recorded for its tests.
- The flows run in the API version of stripe-go. No flow was run against Stripe itself: repeat those that your shop needs in a sandbox.

After a change of the server run ` + "`go test ./checkout/checkouttest -run TestFlows -update-flows`" + ` and read the difference. The test fails
for each new difference that has no reason in [its table](../checkout/checkouttest/flows_table_test.go).

`

// flowSources are what the flows are compared with. An address is missing where the listing's own is not known.
var flowSources = map[string]string{
	"abandoned":     "https://docs.stripe.com/payments/checkout/abandoned-carts",
	"async-capture": "https://docs.stripe.com/payments/payment-intents/asynchronous-capture",
	"capture":       "https://docs.stripe.com/api/payment_intents/capture",
	"decline-codes": "https://docs.stripe.com/declines/codes",
	"disputes":      "https://docs.stripe.com/disputes/how-disputes-work",
	"error-codes":   "https://docs.stripe.com/error-codes",
	"expire":        "https://docs.stripe.com/api/checkout/sessions/expire",
	"fulfillment":   "https://docs.stripe.com/checkout/fulfillment",
	"hold":          "https://docs.stripe.com/payments/place-a-hold-on-a-payment-method",
	"intents":       "https://docs.stripe.com/payments/paymentintents/lifecycle",
	"partial":       "https://docs.stripe.com/changelog/basil/2025-05-28/partial-payments",
	"portal":        "https://docs.stripe.com/customer-management/integrate-customer-portal",
	"refunds":       "https://docs.stripe.com/refunds",
	"retries":       "https://docs.stripe.com/billing/revenue-recovery/smart-retries",
	"session":       "https://docs.stripe.com/api/checkout/sessions/object",
	"subscriptions": "https://docs.stripe.com/billing/subscriptions/webhooks",
	"sub-update":    "https://docs.stripe.com/api/subscriptions/update",
	"test-evidence": "https://docs.stripe.com/testing#evidence",
	"testing":       "https://docs.stripe.com/testing",
	"types":         "https://docs.stripe.com/api/events/types",
	"webhooks":      "https://docs.stripe.com/webhooks#event-ordering",

	"rec-capture":      "https://github.com/pay-rails/pay/blob/5b018bc1a4e82df56227f51b49b642cb360e3b64/test/vcr_cassettes/test_stripe_can_authorize_a_charge.yml",
	"rec-charge":       "https://github.com/pay-rails/pay/blob/5b018bc1a4e82df56227f51b49b642cb360e3b64/test/vcr_cassettes/test_connect_destination_charge.yml",
	"rec-dispute":      "https://github.com/dj-stripe/dj-stripe/blob/f04d5d7e9af894dba93aa727d68619966764c6ac/tests/fixtures/dispute_dp_fakefakefakefake01.json",
	"rec-refunds":      "https://github.com/pay-rails/pay/blob/5b018bc1a4e82df56227f51b49b642cb360e3b64/test/vcr_cassettes/test_stripe_performing_multiple_refunds_increments_total_refund_amount.yml",
	"rec-sca":          "https://github.com/pay-rails/pay/blob/5b018bc1a4e82df56227f51b49b642cb360e3b64/test/vcr_cassettes/test_stripe_raises_action_required_error_when_SCA_required.yml",
	"rec-sepa":         "https://github.com/spree/spree_stripe/blob/80f01711cc6d8a6b1f174edfad2af5b254bb9070/spec/vcr/processing_sepa_debit_payment_intent.yml",
	"rec-session":      "https://github.com/pay-rails/pay/blob/5b018bc1a4e82df56227f51b49b642cb360e3b64/test/vcr_cassettes/test_checkout_payment_session.yml",
	"rec-sub-session":  "https://github.com/pay-rails/pay/blob/5b018bc1a4e82df56227f51b49b642cb360e3b64/test/vcr_cassettes/test_checkout_subscription_session.yml",
	"rec-sub-deleted":  "https://github.com/supabase/stripe-sync-engine/blob/e3eeb363b4f17103bcba46cbe803980f746ebe9b/packages/fastify-app/src/test/stripe/subscription_deleted.json",
	"rec-refunded":     "https://github.com/supabase/stripe-sync-engine/blob/e3eeb363b4f17103bcba46cbe803980f746ebe9b/packages/fastify-app/src/test/stripe/charge_refunded.json",
	"rec-failed":       "https://github.com/supabase/stripe-sync-engine/blob/e3eeb363b4f17103bcba46cbe803980f746ebe9b/packages/fastify-app/src/test/stripe/charge_failed.json",
	"listing-2025-10":  "https://github.com/taiseen/stripe-nextjs-product",
	"listing-decline":  "",
	"listing-redirect": "",
	"listing-refund":   "",
	"listing-expired":  "",
	"listing-portal":   "",
}

// unaddressed describes the listings whose address is not known.
var unaddressed = map[string]string{
	"listing-decline":  "listing of 2026-08-20, API version 2026-07-29.dahlia: card 4000 0000 0000 0002 on the hosted page",
	"listing-redirect": "two listings of 2026-01-06, API version 2025-11-17.clover: a payment on the hosted page with an action of the customer; the method is not named",
	"listing-refund":   "listing of 2025-05-09: a full refund of a card payment",
	"listing-portal":   "notes of May 2025: the events that a project got when its customer changed the payment method in the portal, in no order",
	"listing-expired":  "listing of 2023-11-12: two sessions that expire",
}

// unsourced are the values that the page shows of each kind of object even where no source gives them.
var unsourced = map[string][]string{
	"charge": {"status"}, "checkout.session": {"status", "payment_status"}, "dispute": {"status"}, "invoice": {"status"},
	"payment_intent": {"status"}, "refund": {"status"}, "subscription": {"status"},
}

// A flowPage is docs/test-stripe-flows.md.
type flowPage struct {
	flows    strings.Builder
	first    map[string]string // by the text of a step, the number of the first step with it
	requests []shownRequest
	reasons  []difference        // in the order of the page
	where    map[string][]string // the steps that have a difference

	answers, events, values int // how many were compared
}

// A shownRequest is a request that the page has shown in whole.
type shownRequest struct {
	step, request string
	params        []string
}

func (p *flowPage) addFlow(n int, f flow, played []playedStep) {
	fmt.Fprintf(&p.flows, "## %d. %s\n\n| | Stripe | test server |\n|---|---|---|\n", n, f.title)
	for i, step := range f.steps {
		number := fmt.Sprintf("%d.%d", n, i+1)
		for _, d := range step.differs {
			name := d.what + d.reason
			if p.where[name] == nil {
				p.reasons = append(p.reasons, d)
			}
			p.where[name] = append(p.where[name], number)
		}
		events := p.eventRows(step, played[i])
		same := strings.Join(append([]string{step.does, step.request, step.answer, events}, step.params...), "\n")
		if earlier := p.first[same]; earlier != "" {
			fmt.Fprintf(&p.flows, "| %s | **%s** As in %s. | |\n", number, step.does, earlier)
			continue
		}
		p.first[same] = number
		p.addStep(number, step, played[i])
		p.flows.WriteString(events)
	}
	p.flows.WriteString("\n")
}

// addStep adds the row of a step, and counts its comparisons.
func (p *flowPage) addStep(number string, step flowStep, played playedStep) {
	text, server := "**"+step.does+"**", ""
	for _, source := range step.sources {
		if flowSources[source] == "" {
			text += " *" + source + "*"
		} else {
			text += " [" + source + "]"
		}
	}
	switch {
	case slices.Contains(step.differences(played), wrongOrder):
		text, server = text+", in another order", "**another order**"
	case step.ordered && len(step.events) > 1:
		text += ", in this order"
	}
	if step.request != "" {
		fields := strings.Fields(step.answer)
		p.answers++
		p.values += len(fields)
		status := ""
		if step.wantedStatus() != http.StatusOK {
			status = fmt.Sprintf(" %d,", step.wantedStatus())
		}
		text += "<br>" + p.request(number, step) + " →" + status + " " + wantedValues(fields)
		if played.status != step.wantedStatus() {
			server += fmt.Sprintf("**%d** ", played.status)
		}
		if server != "" {
			server += "<br>"
		}
		server += beside(played.answer, nil, fields)
	}
	for _, line := range step.events {
		p.events++
		p.values += len(strings.Fields(line)) - 1
	}
	fmt.Fprintf(&p.flows, "| %s | %s | %s |\n", number, text, server)
}

// request shows the request of a step. A request that adds parameters to one that the page has shown has the added ones only.
func (p *flowPage) request(number string, step flowStep) string {
	shown, params := "`"+step.request+"`", step.params
	for _, earlier := range p.requests {
		n := len(earlier.params)
		if earlier.request == step.request && n > 0 && n < len(params) && slices.Equal(earlier.params, params[:n]) {
			shown, params = shown+" as in "+earlier.step+", with", params[n:]
			break
		}
	}
	for pair := range slices.Chunk(params, 2) {
		shown += " `" + pair[0] + "=" + pair[1] + "`"
	}
	p.requests = append(p.requests, shownRequest{number, step.request, step.params})
	return shown
}

// eventRows shows the events of a step, each in a row.
func (p *flowPage) eventRows(step flowStep, played playedStep) string {
	var rows strings.Builder
	add := func(stripe, server string) { fmt.Fprintf(&rows, "| event | %s | %s |\n", stripe, server) }
	wanted := map[string][][]string{} // by type, the values of its events
	for _, line := range step.events {
		fields := strings.Fields(line)
		wanted[fields[0]] = append(wanted[fields[0]], fields[1:])
	}
	for _, e := range played.events {
		typ, data := str(e["type"]), e["data"].(map[string]any)
		previous, _ := data["previous_attributes"].(map[string]any)
		object := data["object"].(map[string]any)
		if len(wanted[typ]) == 0 {
			add("none", "**"+typ+"**")
			continue
		}
		fields := wanted[typ][0]
		wanted[typ] = wanted[typ][1:]
		add(strings.TrimSpace(typ+" "+wantedValues(fields)), beside(object, previous, fields))
	}
	for _, typ := range slices.Sorted(maps.Keys(wanted)) {
		for _, fields := range wanted[typ] {
			add(strings.TrimSpace(typ+" "+wantedValues(fields)), "**none**")
		}
	}
	return rows.String()
}

// beside shows how the server's object compares with the values that a source gives.
func beside(o, previous map[string]any, wanted []string) string {
	var differs, more, paths []string
	for _, want := range wanted {
		path, _, _ := strings.Cut(want, "=")
		paths = append(paths, path)
		if len(wrongValues("", []string{want}, o, previous)) > 0 {
			text := "missing"
			if v, exists := valueAt(o, previous, path); exists {
				text = shown(v)
			}
			differs = append(differs, "**"+path+": "+text+"**")
		}
	}
	for _, path := range unsourced[str(o["object"])] {
		if v, exists := valueAt(o, previous, path); exists && !slices.Contains(paths, path) {
			more = append(more, path+": "+shown(v))
		}
	}
	text := "same"
	if len(differs) > 0 {
		text = strings.Join(differs, ", ")
	}
	if len(more) > 0 {
		text += ", and " + strings.Join(more, ", ")
	}
	return text
}

func wantedValues(wanted []string) string {
	all := make([]string, len(wanted))
	for i, want := range wanted {
		path, value, _ := strings.Cut(want, "=")
		if value == "*" {
			value = "*set*"
		}
		all[i] = path + ": " + value
	}
	return strings.Join(all, ", ")
}

// text returns the page.
func (p *flowPage) text(t *testing.T) string {
	t.Helper()
	var page strings.Builder
	page.WriteString(flowsIntro)
	fmt.Fprintf(&page, "Compared are %d answers and %d events, with %d values. [Keys](#keys) are compared, too. These %d differences stay:\n\n",
		p.answers, p.events, p.values, len(p.reasons))
	page.WriteString("| step | difference of the test server | reason |\n|---|---|---|\n")
	for _, d := range p.reasons {
		fmt.Fprintf(&page, "| %s | %s | %s |\n", strings.Join(p.where[d.what+d.reason], ", "), d.what, d.reason)
	}
	page.WriteString(flowsReading)
	page.WriteString(p.flows.String())
	page.WriteString(keysOfRecordings(t))
	page.WriteString(sourcesOfFlows())
	return page.String()
}

// keysOfRecordings shows how many of the recorded keys of each kind of object the server has.
func keysOfRecordings(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(recordingsFile)
	require.NoError(t, err)
	recorded, reasons := parseRecordings(t, string(text)), acceptedReasons()
	var out strings.Builder
	out.WriteString(`## Keys

[recordings.txt](../checkout/checkouttest/testdata/recordings.txt) has the keys of recorded objects, nested ones too. ` + "`TestKeysOfFlows`" + `
finds in the answers and the events of these flows each key that all recorded objects of the kind have. ` + "`TestDriftFromRecordings`" + `
compares a longer history with all recorded keys and their JSON types. The keys that differ stand with their reasons in
[drift_test.go](../checkout/checkouttest/drift_test.go): many belong to another API version than stripe-go's.
[internal/crosscheck/replay](../internal/crosscheck/replay/README.md) replays whole recordings against the server.

| object | recorded in | recorded keys | of these differ |
|---|---|---|---|
`)
	for _, kind := range slices.Sorted(maps.Keys(recordedKinds)) {
		keys, differ, since, until := 0, 0, "~", ""
		for path, k := range recorded {
			if !strings.HasPrefix(path, kind+" ") {
				continue
			}
			keys++
			since, until = min(since, k.since), max(until, k.until)
			if reasons[path] != "" {
				differ++
			}
		}
		versions := since
		if until != since {
			versions += " to " + until
		}
		fmt.Fprintf(&out, "| %s | %s | %d | %d |\n", kind, versions, keys, differ)
	}
	out.WriteString("\n")
	return out.String()
}

func sourcesOfFlows() string {
	var out strings.Builder
	out.WriteString("## Sources without an address\n\nThe addresses of these listings are not known, so they prove less than the others.\n\n")
	for _, name := range slices.Sorted(maps.Keys(unaddressed)) {
		fmt.Fprintf(&out, "- *%s*: %s.\n", name, unaddressed[name])
	}
	out.WriteString("\n")
	for _, name := range slices.Sorted(maps.Keys(flowSources)) {
		if flowSources[name] != "" {
			fmt.Fprintf(&out, "[%s]: %s\n", name, flowSources[name])
		}
	}
	return out.String()
}
