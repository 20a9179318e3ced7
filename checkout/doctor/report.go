package doctor

import (
	"fmt"
	"strings"
	"time"
)

// Severity says how much a finding matters.
type Severity string

const (
	// Error: customers can't pay, or what they paid for is not handed over in time.
	Error Severity = "error"
	// Warning: something is late, is lost in a rare case, or is likely to be wrong.
	Warning Severity = "warning"
	// Note: nothing has to be done.
	Note Severity = "note"
)

// A Finding is one thing that is not as it should be.
type Finding struct {
	// Code names the kind of the finding, for scripts. It is one of the constants of this package.
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Seen is what the doctor saw, Why is what comes of it, and Cure is what to do about it.
	Seen string `json:"seen"`
	Why  string `json:"why"`
	Cure string `json:"cure"`
}

// Skipped is something that the doctor could not look at.
type Skipped struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// A Report is what [Examine] found. It holds IDs of Stripe, names of event types, SKUs and the URL of the webhook, and no secret and no
// personal data.
type Report struct {
	// At is the time of the examination, by Config.Clock.
	At time.Time `json:"at"`
	// Mode is that of the key: "live" or "test"; empty: the key does not say.
	Mode string `json:"mode,omitempty"`
	// Account is the ID of the key's account; empty: the key may not read it.
	Account string `json:"account,omitempty"`
	// Findings are sorted by severity, the worst first.
	Findings []Finding `json:"findings"`
	// Skipped is what could not be looked at, mostly because the key lacks a permission that only the doctor needs.
	Skipped []Skipped `json:"skipped,omitempty"`
}

// Healthy reports whether there is no error and no warning among the findings. What was skipped may still be wrong.
func (r Report) Healthy() bool {
	for _, f := range r.Findings {
		if f.Severity != Note {
			return false
		}
	}
	return true
}

// String returns the report as text for people, over several lines.
func (r Report) String() string {
	var b strings.Builder
	account, mode := "an account that the key may not read", "a mode that the key does not name"
	if r.Account != "" {
		account = r.Account
	}
	if r.Mode != "" {
		mode = r.Mode + " mode"
	}
	fmt.Fprintf(&b, "Examined %s, %s, at %s.\n", account, mode, r.At.UTC().Format(time.RFC3339))
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%s: %s\n  why:  %s\n  cure: %s\n", strings.ToUpper(string(f.Severity)), f.Seen, f.Why, f.Cure)
	}
	if len(r.Skipped) > 0 {
		b.WriteString("\nNot looked at:\n")
		for _, s := range r.Skipped {
			fmt.Fprintf(&b, "  %s: %s\n", s.What, s.Why)
		}
	}
	switch {
	case r.Healthy() && len(r.Skipped) > 0:
		b.WriteString("\nNothing is wrong with what was looked at.\n")
	case r.Healthy():
		b.WriteString("\nNothing is wrong.\n")
	}
	return b.String()
}
