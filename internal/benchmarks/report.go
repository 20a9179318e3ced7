package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	beginMark = "<!-- begin: written by go run . -->"
	endMark   = "<!-- end -->"
)

// report collects the Markdown.
type report struct{ bytes.Buffer }

func (r *report) line(format string, args ...any) { fmt.Fprintf(&r.Buffer, format+"\n", args...) }

// machine describes where the figures were measured.
func machine() string {
	cpu := ""
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.SplitSeq(string(info), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = ", " + strings.TrimSpace(value)
				break
			}
		}
	}
	memory := ""
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int64
		if _, err := fmt.Sscanf(string(info), "MemTotal: %d kB", &kib); err == nil {
			memory = fmt.Sprintf(", %d GiB of memory", (kib+1<<19)>>20)
		}
	}
	return fmt.Sprintf("%d cores%s%s, %s/%s, %s. Databases on the same machine, with their default durability.",
		runtime.NumCPU(), cpu, memory, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func perSecond(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond))
}

func ratio(a, b float64) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// heading begins the part of a database.
func (r *report) heading(d *database) {
	r.line("\n### %s, %v to the database\n", d.name, d.roundTrip)
}

// measured is a row with the results of its contenders, by name.
type measured struct {
	*row
	results map[string]*result
}

// columns are the contenders that have a column; the others are floors.
var columns = []string{oursName, pgxName, hand64Name, handName}

// rows writes the table of a database.
func (r *report) rows(rows []measured) {
	r.line("| units/s (p99 in ms) | %s | floor |", strings.Join(columns, " | "))
	r.line("|---|%s---|", strings.Repeat("---|", len(columns)))
	for _, row := range rows {
		var floors []string
		for _, c := range row.contenders {
			if !slices.Contains(columns, c.name) {
				floors = append(floors, c.name+": "+cell(row.results[c.name]))
			}
		}
		line := "| " + row.name
		for _, column := range columns {
			line += " | " + cell(row.results[column])
		}
		r.line("%s | %s |", line, strings.Join(floors, "; "))
	}
}

func cell(result *result) string {
	if result == nil {
		return "–"
	}
	text := fmt.Sprintf("%s (%s)", perSecond(result.median()), millis(result.p99()))
	if result.failures > 0 {
		text += fmt.Sprintf(", %d failed", result.failures)
	}
	return text
}

// bounds writes how fast fulfil is against what it is compared with, and whether that meets the bound.
func (r *report) bounds(rows []measured) {
	r.line("\n| times as fast as | | bound | %s | %s |", oursName, pgxName)
	r.line("|---|---|---|---|---|")
	for _, row := range rows {
		bounds := row.bounds
		if len(bounds) == 0 {
			bounds = []bound{{than: betterHand}}
		}
		for _, b := range bounds {
			least := "none"
			if b.least > 0 {
				least = fmt.Sprintf("≥ %g", b.least)
			}
			r.line("| %s | %s | %s | %s | %s |", row.name, b.than, least, b.verdict(row, oursName), b.verdict(row, pgxName))
		}
	}
}

// verdict is the ratio of a contender to what it is compared with, and whether the ratio meets the bound.
func (b bound) verdict(row measured, name string) string {
	ours := row.results[name]
	if ours == nil {
		return "–"
	}
	than := 0.0
	for _, c := range row.contenders {
		if c.name == b.than || b.than == betterHand && (c.name == hand64Name || c.name == handName) {
			than = max(than, row.results[c.name].median())
		}
	}
	return judged(ours.median()/than, b.least, 0)
}

// judged is a ratio, and whether the ratio is at least or at most what it is to be; 0: there is no such bound.
func judged(v, least, most float64) string {
	text := fmt.Sprintf("%.2f", v)
	switch {
	case least == 0 && most == 0:
		return text
	case v < least, most > 0 && v > most:
		return text + ", missed"
	}
	return text + ", met"
}

// sale writes the table of a flash sale.
func (r *report) sale(d *database, s sale, fulfil, hand *saleResult) {
	r.line("\n### Flash sale: %d buyers for %d items within %v, %s, %v to the database\n", s.buyers, s.items, s.within, d.name, d.roundTrip)
	r.line("Three shops with pools of their own in one process. Who gets an item pays after up to %v, and the webhook comes to another shop.\n", s.paying)
	r.line("| | fulfil | by hand, best pool |")
	r.line("|---|---|---|")
	for _, one := range []struct {
		name string
		of   func(*saleResult) string
	}{
		{"until all were answered", func(s *saleResult) string { return fmt.Sprintf("%.1f s", s.took.Seconds()) }},
		{"p99 of buyers", func(s *saleResult) string { return millis(p99(s.buyers)) + " ms" }},
		{"p99 of webhooks", func(s *saleResult) string { return millis(p99(s.webhooks)) + " ms" }},
		{"requests to Stripe", func(s *saleResult) string { return fmt.Sprint(s.requests) }},
		{"sold", func(s *saleResult) string { return fmt.Sprint(s.sold) }},
		{"failed answers", func(s *saleResult) string { return fmt.Sprint(s.failures) }},
	} {
		r.line("| %s | %s | %s |", one.name, one.of(fulfil), one.of(hand))
	}
}

// replaceBetweenMarks replaces what stands between the marks of a file.
func replaceBetweenMarks(file string, text []byte) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(old, []byte(beginMark))
	_, after, ended := bytes.Cut(rest, []byte(endMark))
	if !ok || !ended {
		return fmt.Errorf("benchmarks: %s lacks the lines %q and %q", file, beginMark, endMark)
	}
	return os.WriteFile(file, fmt.Appendf(nil, "%s%s\n%s%s%s", before, beginMark, text, endMark, after), 0o644)
}
