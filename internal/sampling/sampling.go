// Package sampling makes a long test do a random part of its work, or all of its work if FULFIL_TEST_FULL=1 is set. It is for
// tests.
//
// Every run draws the same sample, so that a failure comes from a change and not from the draw. FULFIL_TEST_SEED=random draws a new
// one, so that many runs together cover the whole. If a test fails, it logs the command that draws the same sample again. That
// command sets FULFIL_TEST_SEED to a number.
package sampling

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	fullEnv = "FULFIL_TEST_FULL"
	seedEnv = "FULFIL_TEST_SEED"
)

// seed is the seed of this run. It is short, because people type it.
var seed = readSeed(os.Getenv(seedEnv), rand.Uint32())

// readSeed returns the number in text, drawn if text is "random", or 1 if text is empty.
func readSeed(text string, drawn uint32) uint64 {
	switch text {
	case "":
		return 1
	case "random":
		return uint64(drawn)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s=%q is not a number: set it to the number that the failing test logged, or to random", seedEnv, text))
	}
	return n
}

// Full reports whether FULFIL_TEST_FULL=1 is set, so that tests do all of their work.
func Full() bool { return os.Getenv(fullEnv) == "1" }

// Size returns whole if tests do all of their work, and otherwise sample.
func Size(sample, whole int) int {
	if Full() {
		return whole
	}
	return sample
}

// Rand returns random numbers that depend only on the seed of the run and the name of the test. So the test draws the same
// numbers when it runs alone. If the test fails, it logs the command that draws them again.
func Rand(tb testing.TB) *rand.Rand {
	tb.Helper()
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log("replay: " + replay(tb.Name()))
		}
	})
	name := fnv.New64a()
	_, _ = name.Write([]byte(tb.Name()))
	return rand.New(rand.NewPCG(seed, name.Sum64()))
}

// Indexes returns, in ascending sequence, the indexes of the things that a test tries. If tests do all of their work, these are
// all things, and otherwise n of them: the first, the last, and others drawn from Rand.
func Indexes(tb testing.TB, n, total int) []int {
	tb.Helper()
	drawn := Rand(tb).Perm(total)
	if Full() || n >= total {
		slices.Sort(drawn)
		return drawn
	}
	borders := []int{0, total - 1}
	drawn = slices.DeleteFunc(drawn, func(i int) bool { return slices.Contains(borders, i) })
	picked := append(borders, drawn...)[:n]
	slices.Sort(picked)
	return picked
}

// replay returns the command that runs the named test with the seed of this run.
func replay(name string) string {
	set := fmt.Sprintf("%s=%d", seedEnv, seed)
	if Full() {
		set += " " + fullEnv + "=1"
	}
	pkg := "."
	if info, ok := debug.ReadBuildInfo(); ok {
		pkg = strings.TrimSuffix(info.Path, ".test")
	}
	var pattern []string
	for _, part := range strings.Split(name, "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(part)+"$")
	}
	return fmt.Sprintf("%s go test %s -count=1 -run '%s'", set, pkg, strings.Join(pattern, "/"))
}
