package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A browser that hangs is killed, and quit returns an error.
func TestABrowserThatHangsIsKilled(t *testing.T) {
	t.Parallel()
	args := append([]string{}, chromium.cmd.Args[1:]...)
	args[len(args)-1] = "100"
	cmd := exec.Command(chromium.cmd.Path, args...)
	cmd.Env = chromium.cmd.Env
	var b browser
	require.NoError(t, b.start(cmd))
	started := childOf(t, cmd.Process.Pid)
	require.NoError(t, syscall.Kill(started, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(-started, syscall.SIGKILL) }) // in case this test fails: the browser leads its process group
	require.ErrorContains(t, b.quit(time.Minute), "chromium does not end by itself")
	require.Eventually(t, func() bool { return !runs(started) }, 10*time.Second, 10*time.Millisecond)
}

// childOf returns the only child of a process.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	var children []string
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	for _, list := range lists {
		content, err := os.ReadFile(list)
		require.NoError(t, err)
		children = append(children, strings.Fields(string(content))...)
	}
	require.Len(t, children, 1)
	child, err := strconv.Atoi(children[0])
	require.NoError(t, err)
	return child
}

// runs reports whether a process exists and has not ended.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") // a zombie waits for init
}
