package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/stripe/stripe-go/v82"
)

// A reason explains why the answers of some groups differ. Fields that are nil match everything.
type reason struct {
	kinds []kind
	where *regexp.Regexp // the route, or the kind of object and the key
	ours  *regexp.Regexp // the test server's value, status or error
	said  *regexp.Regexp // the message of the test server's refusal
	text  string
}

var re = regexp.MustCompile

// refusals are the kinds of difference between statuses and errors.
var refusals = []kind{statusDiffers, errorDiffers}

// values are the kinds of difference between answers.
var values = []kind{keyMissing, keyExtra, typeDiffers, valueDiffers}

// reasons are the known reasons. The first that matches counts. The age of a recording is a reason where no line of this table is: see
// reason.
var reasons = []reason{
	{kinds: refusals, said: re(`^This test server does not implement the parameter`), text: "The parameter is not implemented, and refused by its name."},
	{kinds: refusals, said: re(`^This test server|this test server`), text: "A limit of the test server, which the message names."},
	{kinds: refusals, said: re(`^This property cannot be expanded`), text: "The key belongs to another API version, or to Connect, which is not built."},
	{kinds: refusals, said: re(`^Received unknown parameter: plan`), text: "An older API version had the parameter."},
	{kinds: refusals, where: re(`/charges/{id}/refunds|/invoices/upcoming`), text: "An older API version had the call."},
	{kinds: refusals, where: re(`GET /v1/(payment|setup)_intents/{id}`), ours: re(`/ id$`), text: "Stripe names the parameter intent here, and the test server id."},
	{kinds: []kind{statusDiffers}, where: re(`/v1/(payment_intents|customers|setup_intents)`), ours: re(`^200`), text: "Rules of the account (Radar), or objects of Connect, which are not built."},

	{kinds: values, where: re(`^balance_transaction `), text: "Fees, currency and settings of the recording's account."},
	{kinds: values, where: re(`^balance `), text: "The balance of the recording's account."},
	{kinds: values, where: re(`^account `), text: "The object account is shown in part, and depends on the account."},
	{kinds: values, where: re(`^payment_intent capture_method`), ours: re(`automatic_async`), text: "Before 2024-04-10 the default was automatic."},
	{kinds: values, where: re(`^charge balance_transaction`), ours: re(`null`), text: "The capture is asynchronous since 2024-04-10; the balance transaction comes two seconds later."},
	{kinds: values, where: re(`_intent automatic_payment_methods`), ours: re(`object`), text: "Before 2023-08-16 the default was off."},
	{kinds: values, where: re(`(payment_method_types|payment_method_configuration_details|payment_method_options\.)`), text: "Payment methods of the account, by its settings in the Dashboard."},
	{kinds: values, where: re(` (destination|transfer_group|application|application_fee|transfer_data)\b`), text: "Connect: the test server keeps no transfers, fees and applications."},
	{kinds: values, where: re(`billing_mode|integration_identifier|branding_settings| ui_mode`), text: "Another API version has another default."},
	{kinds: values, where: re(`^setup_intent latest_attempt`), text: "The test server keeps no attempts of setup intents."},
	{kinds: values, where: re(`^charge refunds`), text: "Before 2022-11-15 a charge showed its refunds."},
	{kinds: values, where: re(`^charge (amount_refunded|refunded)`), text: "A refund before it was refused, since its parameters are not built."},
	{kinds: []kind{typeDiffers}, where: re(`card\.(network_transaction_id|authorization_code)`), ours: re(`null`), text: "The test server has no numbers of card networks."},
	{kinds: values, where: re(`^refund destination_details.card.reference`), text: "The reference comes after a second here, and after days at Stripe."},
	{kinds: values, where: re(`^list data`), text: "The list also has objects that were made before the recording."},
}

// The reasons that the ages of the recordings give.
const (
	older = "The recording is older: the key has left the API, or has come to it since."
	newer = "The recording is newer: the key has come to the API since the test server's version."
)

// reason returns why the answers of a group differ, or "" if the reason is not known. A key that only recordings of older versions have
// has left the API. A key of which all recordings are younger than the test server's version has come since, and so has a key
// that later recordings have: Stripe adds keys to answers in all versions.
func (r *replay) reason(g group) string {
	for _, known := range reasons {
		if known.explains(g) {
			return known.text
		}
	}
	versions, days := r.versions[g.where], r.days[g.where]
	built, _, _ := strings.Cut(stripe.APIVersion, ".")
	switch {
	case g.kind == keyMissing && versions.last != "" && versions.last < stripe.APIVersion && days.first < built:
		return older
	case g.kind == keyMissing && days.first > built:
		return newer
	case g.kind == keyExtra && (versions.last > g.newest || days.last > g.lastDay):
		return older
	}
	return ""
}

func (k reason) explains(g group) bool {
	return (k.kinds == nil || slices.Contains(k.kinds, g.kind)) && matches(k.where, g.where) && matches(k.ours, g.ours) && matches(k.said, g.message)
}

func matches(pattern *regexp.Regexp, s string) bool { return pattern == nil || pattern.MatchString(s) }
