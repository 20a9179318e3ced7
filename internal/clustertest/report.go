package clustertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// report writes the scene's line of the table in docs/scale.md.
func (a *sales) report(t testing.TB, s *shop, fault time.Time, more string) {
	t.Helper()
	var kinds []string
	total := 0
	counted := a.errors()
	for _, kind := range slices.Sorted(maps.Keys(counted)) {
		total += counted[kind]
		kinds = append(kinds, fmt.Sprintf("%d × %s", counted[kind], kind))
	}
	normal := "-"
	if !fault.IsZero() {
		normal = a.normal(fault).String()
	}
	t.Logf("%s: %d orders in %s, %d paid, %d sold out, %d left; errors of Begin %d; slowest Begin %s, median %s; normal after %s; "+
		"webhooks refused %d; %s", t.Name(), len(a.visits), a.took.Round(100*time.Millisecond),
		a.count(func(v visit) bool { return v.sold }), a.count(func(v visit) bool { return v.out }),
		a.count(func(v visit) bool { return v.left }), total, a.slowest(), a.median(), normal, s.failed, more)
	if total > 0 {
		t.Log(strings.Join(kinds, "\n"))
	}
}
