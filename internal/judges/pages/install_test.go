package pages

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

	"github.com/gofulfil/fulfil/internal/judges/internal/npm"
)

//go:embed npm/package.json
var packageJSON []byte

//go:embed npm/package-lock.json
var packageLock []byte

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fulfil-pages-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = prepare(dir)
	}
	if err != nil {
		return npm.LeaveOut("pages: the judgement of the pages in Chromium", err)
	}
	code := m.Run()
	if err := chromium.quit(time.Minute); err != nil && code == 0 {
		fmt.Println("pages:", err)
		code = 1
	}
	fmt.Println(chromium.figures())
	return code
}

// prepare installs the packages and starts the browser. dir is for what it leaves behind.
func prepare(dir string) error {
	packages, err := npm.Install(packageJSON, packageLock)
	if err != nil {
		return err
	}
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if program, err = exec.LookPath(name); err == nil {
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

// What is missing is said, with what to do about it, and fails where it is required.
func TestLeftOutWithoutWhatItNeeds(t *testing.T) {
	t.Parallel()
	nothing, node := t.TempDir(), t.TempDir()
	for _, name := range []string{"node", "npm"} {
		program, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(program, filepath.Join(node, name)))
	}
	for _, c := range []struct {
		path, required, says string
		status               int
	}{
		{nothing, "0", "node is not installed: install Node.js", 0},
		{nothing, "1", "node is not installed: install Node.js", 1},
		{node, "0", "chromium is not installed: install", 0},
		{node, "1", "chromium is not installed: install", 1},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "PATH="+c.path, "FULFIL_REQUIRE_JUDGES="+c.required)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%s", out)
		require.Contains(t, string(out), "pages: the judgement of the pages in Chromium is left out: "+c.says)
	}
}
