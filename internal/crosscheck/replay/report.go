package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/stripe/stripe-go/v82"
)

// A group is all differences of one kind at one place.
type group struct {
	difference // the first
	count      int
	oldest     string // the API versions of the recordings
	newest     string
	lastDay    string // of the recordings
}

// groups returns the differences by kind and place, the most frequent first.
func groups(results []result) []group {
	byKey := map[[5]string]*group{}
	for _, r := range results {
		for _, d := range r.differences {
			key := [5]string{string(d.kind), d.where, d.recorded, d.ours, withoutIDs(d.message)}
			g := byKey[key]
			if g == nil {
				g = &group{difference: d, oldest: d.version}
				byKey[key] = g
			}
			g.count++
			g.oldest, g.newest, g.lastDay = min(g.oldest, d.version), max(g.newest, d.version), max(g.lastDay, d.day)
		}
	}
	var all []group
	for _, g := range byKey {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b group) int {
		return cmp.Or(b.count-a.count, strings.Compare(a.where, b.where), strings.Compare(string(a.kind), string(b.kind)),
			strings.Compare(a.recorded, b.recorded), strings.Compare(a.ours, b.ours), strings.Compare(a.message, b.message))
	})
	return all
}

func withoutIDs(message string) string { return idPattern.ReplaceAllString(message, "…") }

// A report writes what a replay has found.
type report struct {
	w        io.Writer
	rows     int  // of each table of differences; 0: all
	examples bool // names a cassette for each difference
}

func (r report) printf(format string, args ...any) { fmt.Fprintf(r.w, format, args...) }

func (r report) write(cassettes int, played *replay) {
	results := played.results
	r.printf("# Recordings of Stripe, replayed against the test server\n\nThe test server speaks API version %s.\n\n", stripe.APIVersion)
	outcomes := map[outcome]int{}
	agree, keys, agreeing := 0, 0, 0
	for _, result := range results {
		outcomes[result.outcome]++
		keys, agreeing = keys+result.keys, agreeing+result.agree
		if result.statusAgree {
			agree++
		}
	}
	r.printf("| | |\n|---|---|\n| cassettes | %d |\n| recorded requests | %d |\n", cassettes, len(results))
	for _, o := range []outcome{olderThan, noKey, overloaded, noAnswer, madeBefore, afterOther, unsupported} {
		if n := outcomes[o]; n > 0 {
			r.printf("| left out: the request %s | %d |\n", o, n)
		}
	}
	r.printf("| replayed requests | %d |\n| statuses that agree | %s |\n| keys of answers that agree in type and value | %s of %d |\n",
		outcomes[replayed], share(agree, outcomes[replayed]), share(agreeing, keys), keys)

	r.table("API versions of the recordings", "version", results, func(result result) string { return cmp.Or(result.version, "unknown") })
	r.table("Endpoints", "endpoint", results, func(result result) string { return result.route })

	all := groups(results)
	r.differences("Statuses and errors that differ", all, played, statusDiffers, errorDiffers)
	r.differences("Keys and values that differ", all, played, keyMissing, keyExtra, typeDiffers, valueDiffers)
}

func share(n, of int) string {
	if of == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%.1f %%)", n, 100*float64(n)/float64(of))
}

// table writes how many requests agree, by a part of the request.
func (r report) table(title, head string, results []result, part func(result) string) {
	type line struct{ recorded, replayed, agree, keys, agreeing int }
	lines := map[string]*line{}
	for _, result := range results {
		l := lines[part(result)]
		if l == nil {
			l = &line{}
			lines[part(result)] = l
		}
		l.recorded++
		l.keys, l.agreeing = l.keys+result.keys, l.agreeing+result.agree
		if result.outcome == replayed {
			l.replayed++
		}
		if result.statusAgree {
			l.agree++
		}
	}
	r.printf("\n## %s\n\n| %s | recorded | replayed | statuses agree | keys agree |\n|---|---|---|---|---|\n", title, head)
	names := slices.SortedFunc(maps.Keys(lines), func(a, b string) int { return cmp.Or(lines[b].recorded-lines[a].recorded, strings.Compare(a, b)) })
	for _, name := range names {
		l := lines[name]
		r.printf("| %s | %d | %d | %s | %s |\n", name, l.recorded, l.replayed, share(l.agree, l.replayed), share(l.agreeing, l.keys))
	}
}

// differences writes the groups of some kinds.
func (r report) differences(title string, all []group, played *replay, kinds ...kind) {
	total, shown := 0, 0
	byReason := map[string]int{}
	var lines strings.Builder
	for _, g := range all {
		if !slices.Contains(kinds, g.kind) {
			continue
		}
		why := cmp.Or(played.reason(g), "**open**")
		total += g.count
		byReason[why] += g.count
		if r.rows > 0 && shown >= r.rows {
			continue
		}
		shown++
		ours := g.ours
		if g.message != "" {
			ours += ": " + withoutIDs(g.message)
		}
		fmt.Fprintf(&lines, "| %d | %s | %s | %s | %s | %s |\n", g.count, g.where, g.recorded, cell(ours), versionsOf(g), why)
		if r.examples {
			fmt.Fprintf(&lines, "| | %s | | | | |\n", g.example)
		}
	}
	r.printf("\n## %s\n\n| differences | reason |\n|---|---|\n", title)
	for _, why := range slices.SortedFunc(maps.Keys(byReason), func(a, b string) int { return cmp.Or(byReason[b]-byReason[a], strings.Compare(a, b)) }) {
		r.printf("| %s | %s |\n", share(byReason[why], total), why)
	}
	r.printf("\n| number | where | Stripe | test server | recorded in | reason |\n|---|---|---|---|---|---|\n%s", lines.String())
}

func versionsOf(g group) string {
	switch {
	case g.newest == "":
		return "unknown"
	case g.oldest == g.newest || g.oldest == "":
		return g.newest
	}
	return g.oldest + " to " + g.newest
}

func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "\n", " ") }
