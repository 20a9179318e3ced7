package browser

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADriverThatDoesNotEndIsKilled(t *testing.T) {
	t.Parallel()
	var b browser
	require.NoError(t, b.start(exec.Command(chromium.cmd.Path, "-e", `console.log('{"id":0,"value":"deaf"}'); setInterval(() => {}, 1000)`)))
	require.ErrorContains(t, b.quit(50*time.Millisecond), "killed")
	require.NotNil(t, b.cmd.ProcessState, "the driver must be gone")
	require.ErrorContains(t, b.do("text", nil, nil), "closed")
}
