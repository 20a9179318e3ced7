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

// reasons are the known reasons. The first that matches counts. A version is a reason where no line of this table is: see reason.
var reasons = []reason{
	{kinds: refusals, said: re(`^This test server does not implement the parameter`), text: "The parameter is not implemented, and refused by its name."},
	{kinds: refusals, said: re(`^This test server`), text: "A limit of the test server, which the message names."},
	{kinds: refusals, said: re(`^This property cannot be expanded`), text: "The key belongs to another API version, or is not built."},
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
