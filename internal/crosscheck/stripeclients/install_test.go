package stripeclients

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/crosscheck/internal/npm"
)

//go:embed npm/package.json
var packageJSON []byte

//go:embed npm/package-lock.json
var packageLock []byte

var packages npm.Packages

func TestMain(m *testing.M) {
	os.Exit(npm.Run("stripeclients", func() (int, error) {
		if err := install(); err != nil {
			return 0, err
		}
		return m.Run(), nil
	}))
}

func install() (err error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return fmt.Errorf("the CLI is pinned for linux/amd64, not for %s/%s: run the cross-check there", runtime.GOOS, runtime.GOARCH)
	}
	packages, err = npm.Install(packageJSON, packageLock)
	return err
}

// A cross-check that was not requested starts and installs nothing.
func TestWithoutRequest(t *testing.T) {
	t.Parallel()
	path, home := t.TempDir(), t.TempDir()
	started := filepath.Join(path, "started")
	for _, name := range []string{"node", "npm"} {
		require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte("#!/bin/sh\n: >'"+started+"'\n"), 0o755))
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = []string{"PATH=" + path, "HOME=" + home, "XDG_CACHE_HOME=" + home, "TMPDIR=" + home}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `^stripeclients: skipped, because FULFIL_CROSSCHECK=1 is not set; [^\n]+\n$`, string(out))
	require.NoFileExists(t, started)
	left, err := os.ReadDir(home)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A requested cross-check fails if a program is missing, and names the cure.
func TestWithoutNode(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = environment(t, "PATH="+t.TempDir(), "FULFIL_CROSSCHECK=1")
	out, _ := cmd.CombinedOutput()
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s", out)
	require.Contains(t, string(out), "stripeclients, requested by FULFIL_CROSSCHECK=1: node is not installed: install Node.js")
}

// environment returns a child's environment. It has nothing of the user's. It names a proxy that does not exist, so that the
// child reaches only this machine.
func environment(t *testing.T, more ...string) []string {
	home := t.TempDir()
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_CACHE_HOME=" + home, "NO_COLOR=1",
		"HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1",
	}, more...)
}
