package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every row and the flash sale run on SQLite, in rounds that are too short to measure anything.
func TestBenchmarks(t *testing.T) {
	t.Parallel()
	o := options{
		databases: []string{"postgres", "sqlite"}, delays: []time.Duration{0}, rounds: 1, length: 5 * time.Millisecond, callers: 4,
		prepared: 4, pool: 4, best: 1, skus: 5, sale: &sale{buyers: 20, items: 5, within: 10 * time.Millisecond, paying: 5 * time.Millisecond},
		log: t.Logf,
	}
	table, err := o.run(t.Context())
	require.NoError(t, err)
	text := string(table)
	require.NotContains(t, text, " failed |")
	lines := 0
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "| ") {
			lines++
		}
	}
	require.Equal(t, 1+9+1+9+1+6, lines, text)
	require.Contains(t, text, "| sold | 5 | 5 |")
	require.Contains(t, text, "| failed answers | 0 | 0 |")

	file := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(file, []byte("before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o600))
	require.NoError(t, replaceBetweenMarks(file, []byte("new\n")))
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "before\n"+beginMark+"\nnew\n"+endMark+"\nafter\n", string(written))
	require.Error(t, replaceBetweenMarks("go.mod", nil))
}

// The test Stripe is measured in process and as a program, with a few sessions.
func TestTestStripes(t *testing.T) {
	t.Parallel()
	o := options{sessions: 20, log: t.Logf}
	table, err := o.run(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `(?m)^\| look at one \| \d\.\d\d ms \| \d\.\d\d ms \|$`, string(table))
	require.Regexp(t, `(?m)^\| state file, for each session \| – \| \d+ bytes \|$`, string(table))
}

// Shops of two sizes are loaded, pruned and measured.
func TestGrowth(t *testing.T) {
	t.Parallel()
	o := options{
		databases: []string{"sqlite", "mysql"}, rounds: 1, length: 5 * time.Millisecond, prepared: 4, pool: 4, skus: 5,
		sizes: []int{100, 300}, age: 90 * 24 * time.Hour, log: t.Logf,
	}
	table, err := o.run(t.Context())
	require.NoError(t, err)
	text := string(table)
	require.Contains(t, text, "| 100 orders | 300 orders |")
	require.Contains(t, text, "(of 1) | ", "one sweep prunes so few")
	// The younger half stays without the one that is just old enough, and the three that were copied. So do two old ones that are
	// open, which the shop of a hundred orders does not have.
	require.Contains(t, text, "| holds after pruning, open ones too | 52 | 154 |", text)
	require.Equal(t, 4+len(growthRows()), strings.Count(text, "\n| "), text)
}

func TestSoak(t *testing.T) {
	t.Parallel()
	o := options{pool: 4, log: t.Logf}
	d, err := newDatabase(t.Context(), "sqlite", "-", 0)
	require.NoError(t, err)
	defer d.drop()
	heaps, orders, err := o.soakShop(t.Context(), d, time.Second)
	require.NoError(t, err)
	require.Len(t, heaps, soakSamples)
	require.Positive(t, orders)

	for i := range heaps {
		heaps[i] = uint64(20<<20 + i*10<<10)
	}
	require.NoError(t, flat(heaps), "ten KiB a sample are noise")
	for i := range heaps {
		heaps[i] = uint64(20<<20 + i*1<<20)
	}
	require.ErrorContains(t, flat(heaps), "the heap grows")
}

// A bound says of each contender of ours whether it is met.
func TestBounds(t *testing.T) {
	t.Parallel()
	row := measured{&row{name: "Begin", bounds: []bound{{handName, 3}, {betterHand, 0.6}}}, map[string]*result{}}
	for name, perSecond := range map[string]float64{oursName: 290, pgxName: 300, hand64Name: 500, handName: 100} {
		row.contenders = append(row.contenders, &contender{name: name})
		row.results[name] = &result{perSecond: []float64{perSecond}}
	}
	var r report
	r.bounds([]measured{row})
	require.Contains(t, r.String(), "| Begin | by hand, best pool | ≥ 3 | 2.90, missed | 3.00, met |")
	require.Contains(t, r.String(), "| Begin | by hand, the better | ≥ 0.6 | 0.58, missed | 0.60, met |")
	require.Equal(t, "1.05, met", judged(1.05, 0, 1.05))
	require.Equal(t, "1.06, missed", judged(1.06, 0, 1.05))
}

func TestBenchmarkMetrics(t *testing.T) {
	t.Parallel()
	metrics := benchmarkMetrics("goos: linux\nBenchmarkAgainstStripeGo/bad-signature-2 \t 200\t 0 ns/op\t 0.93 time/stripe-go\t 0 allocs/ours\nBenchmarkSessionEvent 7 0.17 time/stripe-go\nPASS\n")
	require.Equal(t, map[string]float64{
		"BenchmarkAgainstStripeGo/bad-signature ns/op": 0, "BenchmarkAgainstStripeGo/bad-signature time/stripe-go": 0.93,
		"BenchmarkAgainstStripeGo/bad-signature allocs/ours": 0, "BenchmarkSessionEvent time/stripe-go": 0.17,
	}, metrics)
}

// The proxy delays an answer by the round trip, and what is sent meanwhile not again.
func TestProxy(t *testing.T) {
	t.Parallel()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); conn.Close() }()
		}
	}()
	const roundTrip = 20 * time.Millisecond
	addr, stop, err := startProxy(context.Background(), echo.Addr().String(), roundTrip)
	require.NoError(t, err)
	defer stop()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	began := time.Now()
	for _, text := range []string{"one ", "two ", "three"} {
		_, err := conn.Write([]byte(text))
		require.NoError(t, err)
	}
	answer := make([]byte, len("one two three"))
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.Equal(t, "one two three", string(answer))
	require.GreaterOrEqual(t, time.Since(began), roundTrip)
}
