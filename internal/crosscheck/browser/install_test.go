package browser

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/crosscheck/internal/npm"
)

//go:embed npm/package.json
var packageJSON []byte

//go:embed npm/package-lock.json
var packageLock []byte

func TestMain(m *testing.M) {
	os.Exit(npm.Run("browser", func() (int, error) { return run(m) }))
}

func run(m *testing.M) (status int, err error) {
	dir, err := os.MkdirTemp("", "fulfil-browser-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := prepare(dir); err != nil {
		return 0, err
	}
	status = m.Run()
	err = chromium.quit(time.Minute)
	fmt.Println(chromium.figures())
	return status, err
}

// prepare installs the packages and starts the browser, which writes its files into dir.
func prepare(dir string) error {
	packages, err := npm.Install(packageJSON, packageLock)
	if err != nil {
		return err
	}
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		program, err = exec.LookPath(name)
		if err == nil {
			break
		}
	}
	if err != nil {
		return errors.New("chromium is not installed: install Debian's chromium, or Google Chrome")
	}
	programs.dir = dir
	cmd, err := drive(dir, packages, program)
	if err != nil {
		return err
	}
	return chromium.start(cmd)
}

// A cross-check that was not requested starts and installs nothing.
func TestWithoutRequest(t *testing.T) {
	t.Parallel()
	path, home := t.TempDir(), t.TempDir()
	started := filepath.Join(path, "started")
	for _, name := range []string{"node", "npm", "chromium"} {
		require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte("#!/bin/sh\n: >'"+started+"'\n"), 0o755))
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = []string{"PATH=" + path, "HOME=" + home, "XDG_CACHE_HOME=" + home, "TMPDIR=" + home}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `^browser: skipped, because FULFIL_CROSSCHECK=1 is not set; [^\n]+\n$`, string(out))
	require.NoFileExists(t, started)
	left, err := os.ReadDir(home)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A requested cross-check fails if a program is missing, and names the cure.
func TestWithoutItsPrograms(t *testing.T) {
	t.Parallel()
	nothing, node := t.TempDir(), t.TempDir()
	for _, name := range []string{"node", "npm"} {
		program, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(program, filepath.Join(node, name)))
	}
	for path, want := range map[string]string{
		nothing: "node is not installed: install Node.js",
		node:    "chromium is not installed: install",
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "PATH="+path)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s", out)
		require.Contains(t, string(out), "browser, requested by FULFIL_CROSSCHECK=1: "+want)
	}
}
