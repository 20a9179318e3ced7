package stripeclients

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// quickstarts are the clients whose quickstarts in the standalone server's README are run here. The README says so of no other.
var quickstarts = map[string]func(ctx context.Context, t *testing.T, code string) *exec.Cmd{
	"curl": func(ctx context.Context, t *testing.T, code string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "sh", "-c", code)
		cmd.Env = environment(t)
		return cmd
	},
	"Node": func(ctx context.Context, t *testing.T, code string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, packages.Node, "-e", code)
		cmd.Env = environment(t, "NODE_PATH="+packages.Modules)
		return cmd
	},
}

var quickstart = regexp.MustCompile("(?s)### (\\w+)\n(.*?)```\\w+\n(.*?)```")

// TestQuickstarts runs the quickstarts of the README against the standalone program, on an address of its own. Each prints the URL of a
// payment page that is there.
func TestQuickstarts(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../examples/standalone/README.md")
	require.NoError(t, err)
	base := standalone(t)
	ran := 0
	for _, part := range quickstart.FindAllStringSubmatch(string(page), -1) {
		name, text, code := part[1], part[2], part[3]
		make, known := quickstarts[name]
		require.Equal(t, !known, strings.Contains(text, "Not run by this project's tests."), name)
		if !known {
			continue
		}
		ran++
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, port, _ := strings.Cut(strings.TrimPrefix(base, "http://"), ":")
		out, err := make(ctx, t, strings.ReplaceAll(code, "12111", port)).CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		require.Contains(t, string(out), base+"/c/pay/cs_test_", name)
	}
	require.Equal(t, len(quickstarts), ran)
}

// standalone starts the program, and returns the base URL of its API.
func standalone(t *testing.T) (base string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "standalone")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../../../examples/standalone"
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-addr", "127.0.0.1:0", "-control", "127.0.0.1:0", "-key", "sk_test_standalone")
	cmd.Env = []string{}
	said, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "API base"); ok {
			base = strings.TrimSpace(url)
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			return base
		}
	}
	t.Fatal("the program did not start")
	return ""
}
