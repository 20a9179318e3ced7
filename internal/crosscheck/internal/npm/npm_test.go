package npm

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInstallNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Install(nil, nil)
	require.ErrorContains(t, err, "node is not installed: install Node.js")
}

// A directory in the cache is complete or missing, even if npm fails.
func TestInstallIsWhole(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-ins for node and npm are shell scripts")
	}
	path, cache := t.TempDir(), t.TempDir()
	program := func(name, script string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte("#!/bin/sh\n"+script), 0o755))
	}
	t.Setenv("PATH", path+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	program("node", "")
	program("npm", "mkdir node_modules; echo no such package; exit 1\n")
	_, err := Install([]byte("{}"), []byte("{}"))
	require.ErrorContains(t, err, "no such package")
	where, err := os.UserCacheDir()
	require.NoError(t, err)
	left, err := filepath.Glob(filepath.Join(where, "fulfil", "*"))
	require.NoError(t, err)
	require.Empty(t, left)

	program("npm", "mkdir node_modules; cat package.json package-lock.json > node_modules/seen\n")
	found, err := Install([]byte("one"), []byte("two"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(path, "node"), found.Node)
	seen, err := os.ReadFile(filepath.Join(found.Modules, "seen"))
	require.NoError(t, err)
	require.Equal(t, "onetwo", string(seen))

	program("npm", "exit 1\n")
	again, err := Install([]byte("one"), []byte("two"))
	require.NoError(t, err, "installed packages must not be installed again")
	require.Equal(t, found, again)
}

func TestRunWithoutRequest(t *testing.T) {
	for _, value := range []string{"", "0", "true"} {
		t.Setenv(requestVariable, value)
		require.Zero(t, Run("name", func() (int, error) {
			require.Fail(t, "the cross-check was not requested")
			return 0, nil
		}))
	}
}

func TestRunOnRequest(t *testing.T) {
	t.Setenv(requestVariable, "1")
	for _, c := range []struct {
		returned int
		err      error
		want     int
	}{
		{0, nil, 0},
		{2, nil, 2},
		{0, os.ErrNotExist, 1},
	} {
		require.Equal(t, c.want, Run("name", func() (int, error) { return c.returned, c.err }))
	}
}
