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

// programs holds the examples. Each is built when a test first needs it.
var programs struct {
	dir string
	mu  sync.Mutex
}

// start runs an example until the end of the test. Its environment is env alone. start returns the lines that the program
// prints up to "Ctrl-C", as names and values: two spaces stand between them.
func start(t *testing.T, name string, env []string, args ...string) map[string]string {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	program := filepath.Join(programs.dir, name)
	if _, err := os.Stat(program); err != nil {
		build := exec.Command("go", "build", "-o", program, ".")
		build.Dir = filepath.Join("..", "..", "..", "examples", name) // some examples are modules of their own
		out, err := build.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append([]string{}, env...) // without secrets of Stripe the program uses its test server
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
		for lines.Scan() { // the program's log
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	require.NotEmpty(t, said, "the program did not say where it listens")
	return said
}
