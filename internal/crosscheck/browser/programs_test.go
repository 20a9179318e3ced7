package browser

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// programs are the examples, built when first needed.
var programs struct {
	dir string
	mu  sync.Mutex
}

// start runs an example until the end of the test, with nothing but env in its environment, and returns what it says about
// itself: the lines of a name, two spaces and a value, up to the one that says how to stop it.
func start(t *testing.T, name string, env []string, args ...string) map[string]string {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	program := filepath.Join(programs.dir, name)
	if _, err := os.Stat(program); err != nil {
		build := exec.Command("go", "build", "-o", program, ".")
		build.Dir = filepath.Join("..", "..", "..", "examples", name) // some are modules of their own
		out, err := build.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append([]string{}, env...) // no secrets of Stripe: the test server
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	drained := make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		<-drained
		require.NoError(t, cmd.Wait())
	})
	said := map[string]string{}
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
		if key, value, ok := strings.Cut(lines.Text(), "  "); ok {
			said[key] = strings.TrimSpace(value)
		}
	}
	go func() {
		defer close(drained)
		for lines.Scan() { // its log
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	require.NotEmpty(t, said, "the program did not say where it listens")
	return said
}
