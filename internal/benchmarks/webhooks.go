package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// webhookBounds are the bounds of what a delivery costs, against stripe-go's ConstructEvent and Unmarshal.
var webhookBounds = []struct {
	name, benchmark, metric string
	most                    float64
	none                    bool // at most 0
}{
	{"typed, time", "BenchmarkAgainstStripeGo/corpus-typed", "time/stripe-go", 0.32, false},
	{"typed, bytes", "BenchmarkAgainstStripeGo/corpus-typed", "bytes/stripe-go", 0.20, false},
	{"the Flow's path, time", "BenchmarkSessionEvent", "time/stripe-go", 0.18, false},
	{"unhandled, time", "BenchmarkAgainstStripeGo/corpus-unhandled", "time/stripe-go", 0.06, false},
	{"unhandled, allocations", "BenchmarkAgainstStripeGo/corpus-unhandled", "allocs/ours", 0, true},
	{"bad signature, time", "BenchmarkAgainstStripeGo/bad-signature", "time/stripe-go", 1, false},
	{"bad signature, allocations", "BenchmarkAgainstStripeGo/bad-signature", "allocs/ours", 0, true},
}

// webhooks runs the benchmarks of packages webhook and checkout with each of the two implementations of encoding/json. The events
// are those of the folder FULFIL_CORPUS names, or one of the benchmarks' own.
func (o *options) webhooks(ctx context.Context, r *report) error {
	corpus := os.Getenv("FULFIL_CORPUS")
	if corpus == "" {
		dir, err := os.MkdirTemp("", "fulfil-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		corpus = dir
		file := filepath.Join(dir, "checkout.session.completed--made.json")
		if err := os.WriteFile(file, event("evt_1", "cs_test_1", "paid"), 0o600); err != nil {
			return err
		}
	}
	experiments := []string{"", "jsonv2"}
	var all []map[string]float64
	for _, experiment := range experiments {
		o.log("webhook, GOEXPERIMENT=%q", experiment)
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "AgainstStripeGo|SessionEvent", fmt.Sprintf("-benchtime=%dx", o.receiving),
			"./webhook", "./checkout")
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "FULFIL_CORPUS="+corpus, "GOEXPERIMENT="+experiment)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("run it in internal/benchmarks: go test -bench: %w: %s", err, out.String())
		}
		all = append(all, benchmarkMetrics(out.String()))
	}
	r.line("\n### Receiving a webhook, against ConstructEvent and Unmarshal of stripe-go\n")
	r.line("| | bound | encoding/json | GOEXPERIMENT=jsonv2 |")
	r.line("|---|---|---|---|")
	for _, b := range webhookBounds {
		line := fmt.Sprintf("| %s | ≤ %g |", b.name, b.most)
		for _, metrics := range all {
			v, ok := metrics[b.benchmark+" "+b.metric]
			switch {
			case !ok:
				return fmt.Errorf("benchmarks: %s did not report %s", b.benchmark, b.metric)
			case b.none && v > 0:
				line += fmt.Sprintf(" %g, missed |", v)
			case b.none:
				line += " 0, met |"
			default:
				line += " " + judged(v, 0, b.most) + " |"
			}
		}
		r.line("%s", line)
	}
	return nil
}

// benchmarkMetrics reads the output of go test -bench. The keys are the name of a benchmark, without the number of processors, and
// the unit.
func benchmarkMetrics(output string) map[string]float64 {
	metrics := map[string]float64{}
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if i := strings.LastIndex(name, "-"); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				metrics[name+" "+fields[i+1]] = v
			}
		}
	}
	return metrics
}
