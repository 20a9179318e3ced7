package stock

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/judges/internal/npm"
)

//go:embed npm/package.json
var packageJSON []byte

//go:embed npm/package-lock.json
var packageLock []byte

var packages npm.Packages

func TestMain(m *testing.M) {
	if err := install(); err != nil {
		os.Exit(npm.LeaveOut("stock: the judgement of the test server by Stripe's CLI and stripe-node", err))
	}
	os.Exit(m.Run())
}

func install() (err error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return fmt.Errorf("the CLI is pinned for linux/amd64, not for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	packages, err = npm.Install(packageJSON, packageLock)
	return err
}

// What is missing is said, with what to do about it, and fails where it is required.
func TestLeftOutWithoutNode(t *testing.T) {
	t.Parallel()
	for required, status := range map[string]int{"0": 0, "1": 1} {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = environment(t, "PATH="+t.TempDir(), "FULFIL_REQUIRE_JUDGES="+required)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, status, cmd.ProcessState.ExitCode(), "%s", out)
		require.Contains(t, string(out), "stock: the judgement of the test server by Stripe's CLI and stripe-node is left out: node is not installed: install Node.js")
	}
}

// environment is that of a child: nothing of the user's, and a proxy that isn't there for all that is not on this machine.
func environment(t *testing.T, more ...string) []string {
	home := t.TempDir()
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_CACHE_HOME=" + home, "NO_COLOR=1",
		"HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1",
	}, more...)
}
