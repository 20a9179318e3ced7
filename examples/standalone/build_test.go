package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBinaries builds one of the static binaries by the command of the README.
func TestBinaries(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("compiles for a while")
	}
	dist := t.TempDir()
	build := exec.Command("sh", "build.sh", dist)
	build.Env = append(build.Environ(), "PLATFORMS=linux/amd64")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	program := filepath.Join(dist, "standalone-linux-amd64")
	version, err := exec.Command("go", "version", "-m", program).CombinedOutput()
	require.NoError(t, err, "%s", version)
	require.Contains(t, string(version), "CGO_ENABLED=0")
}
