package pages

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

// start runs an example until the end of the test and returns what it says about itself: the lines of a name, two spaces
// and a value, up to the one that says how to stop it.
func start(t *testing.T, name string, args ...string) map[string]string {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	program := filepath.Join(programs.dir, name)
	if _, err := os.Stat(program); err != nil {
		out, err := exec.Command("go", "build", "-o", program, "github.com/gofulfil/fulfil/examples/"+name).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = []string{} // no secrets of Stripe: the test server
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
