package simtest

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	runMutants = flag.Bool("mutants", false, "have TestMutants look for each planted bug, which takes minutes")
	oneMutant  = flag.String("mutant", "", "the one planted bug that TestMutants looks for")
)

// overlay writes the sources with the bug planted, and the file that `go test -overlay` reads. It fails if a text that is to
// be replaced is not there exactly once: the bug must be planted anew then.
func (m mutant) overlay(t *testing.T) string {
	t.Helper()
	dir, changed := t.TempDir(), map[string]string{}
	for _, e := range m.edits {
		path, err := filepath.Abs(e.file)
		require.NoError(t, err)
		from := path
		if changed[path] != "" {
			from = changed[path]
		}
		source, err := os.ReadFile(from)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(source), e.before), "%s: this is not there once in %s: %s", m.name, e.file, e.before)
		changed[path] = filepath.Join(dir, fmt.Sprintf("%d_%s", len(changed), filepath.Base(path)))
		require.NoError(t, os.WriteFile(changed[path], []byte(strings.Replace(string(source), e.before, e.after, 1)), 0o600))
	}
	list, err := json.Marshal(map[string]any{"Replace": changed})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, list, 0o600))
	return file
}

var failingSeed = regexp.MustCompile(`seed (\d+): (.*)`)

// TestMutants plants bugs, one at a time and in no shipped code, and has TestSimulation find each within 10,000 histories, or
// as many as -seeds says:
// go test ./checkout/internal/simtest -run TestMutants -mutants -v -timeout 1h. Without -mutants it only checks that they still apply.
func TestMutants(t *testing.T) {
	t.Parallel()
	seeds := cmp.Or(*simSeeds, 10000)
	for n, m := range slices.Concat(mutants, subscriptionMutants) {
		if *oneMutant != "" && *oneMutant != m.name {
			continue
		}
		share := 0 // of the histories with subscriptions
		if n >= len(mutants) {
			share = 1
		}
		t.Run(m.name, func(t *testing.T) {
			overlay := m.overlay(t)
			if !*runMutants {
				return
			}
			out, err := exec.CommandContext(t.Context(), "go", "test", "-overlay="+overlay, "-vet=off", "-ldflags=-s -w", "-count=1", "-timeout=30m",
				"-run=^TestSimulation$", ".", fmt.Sprintf("-seeds=%d", seeds), "-firstseed=1", fmt.Sprintf("-subscriptions=%d", share), "-minimise=false").CombinedOutput()
			require.Error(t, err, "%d histories did not find it", seeds)
			found := failingSeed.FindStringSubmatch(string(out))
			require.NotNil(t, found, "it failed otherwise:\n%s", out)
			t.Logf("found by seed %s: %s", found[1], found[2])
		})
	}
}
