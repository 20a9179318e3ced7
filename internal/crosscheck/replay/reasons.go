package main

import (
	"regexp"
	"slices"

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

// The reasons that the API versions of the recordings give.
const (
	olderVersion = "An older API version."
	newerVersion = "A newer API version."
)

// reason returns why the answers of a group differ, or "" if the reason is not known. A key that only recordings of older versions
// have has left the API. A key that recordings of newer versions have, too, has come to the API since.
func (r *replay) reason(g group) string {
	for _, known := range reasons {
		if known.explains(g) {
			return known.text
		}
	}
	versions, recorded := r.versions[g.where]
	switch {
	case g.kind == keyMissing && recorded && versions.newest < stripe.APIVersion:
		return olderVersion
	case g.kind == keyMissing && recorded && versions.oldest > stripe.APIVersion:
		return newerVersion
	case g.kind == keyExtra && recorded && versions.newest > g.newest:
		return olderVersion
	}
	return ""
}

func (k reason) explains(g group) bool {
	return (k.kinds == nil || slices.Contains(k.kinds, g.kind)) && matches(k.where, g.where) && matches(k.ours, g.ours) && matches(k.said, g.message)
}

func matches(pattern *regexp.Regexp, s string) bool { return pattern == nil || pattern.MatchString(s) }
