package stripeclients

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

//go:embed shop.cjs
var shop []byte

//go:embed calls.cjs
var calls []byte

// TestStripeNode runs a shop on stripe-node that creates, pays, refunds and lists, meets errors, and verifies events.
func TestStripeNode(t *testing.T) {
	t.Parallel()
	require.Equal(t, "the shop is done\n", runNode(t, shop))
}

// TestEveryCallOfStripeNode makes every call that stripe-node has, with IDs that do not exist. The server has the call, or refuses it by
// its name: it takes none for a URL that nobody knows.
func TestEveryCallOfStripeNode(t *testing.T) {
	t.Parallel()
	answers := map[string]int{}
	for line := range strings.Lines(runNode(t, calls)) {
		name, said, _ := strings.Cut(strings.TrimSpace(line), "\t")
		require.NotContains(t, said, "Unrecognized request URL", name)
		if name == "files.create" {
			continue // stripe-node sends it nothing without a file
		}
		if strings.Contains(said, "This test server does not implement") {
			answers["refused by name"]++
		} else {
			answers["built"]++
		}
	}
	t.Logf("calls of stripe-node: %v", answers)
	require.Greater(t, answers["built"], 100)
	require.Greater(t, answers["refused by name"], 150)
}

// runNode runs a script on stripe-node against a server of its own, and returns its output.
func runNode(t *testing.T, code []byte) string {
	t.Helper()
	srv := checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0", WallClock: true})
	t.Cleanup(srv.Close)
	script := filepath.Join(t.TempDir(), "script.cjs")
	require.NoError(t, os.WriteFile(script, code, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, packages.Node, script)
	cmd.Env = environment(t, "NODE_PATH="+packages.Modules, "STRIPE_API="+srv.URL(), "STRIPE_KEY="+srv.Key(), "STRIPE_VERSION="+stripe.APIVersion)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}
