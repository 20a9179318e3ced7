package stripeclients

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

//go:embed shop.cjs
var shop []byte

// TestStripeNode runs a shop on stripe-node that creates, pays, refunds and lists, meets errors, and verifies events.
func TestStripeNode(t *testing.T) {
	t.Parallel()
	srv := checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0", WallClock: true})
	t.Cleanup(srv.Close)
	script := filepath.Join(t.TempDir(), "shop.cjs")
	require.NoError(t, os.WriteFile(script, shop, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, packages.Node, script)
	cmd.Env = environment(t, "NODE_PATH="+packages.Modules, "STRIPE_API="+srv.URL(), "STRIPE_KEY="+srv.Key(), "STRIPE_VERSION="+stripe.APIVersion)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "the shop is done\n", string(out))
}
