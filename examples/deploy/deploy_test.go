// Package deploy has the files that run the shop on a server of one's own. See README.md.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// find returns the path of a program, and skips the test if the machine does not have it.
func find(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
	return path
}

// systemd finds nothing wrong with the unit. The program stands in for the shop, which is not installed here.
func TestUnit(t *testing.T) {
	t.Parallel()
	analyze := find(t, "systemd-analyze")
	unit := strings.Replace(read(t, "shop@.service"), "/usr/local/bin/shop ", find(t, "true")+" ", 1)
	file := filepath.Join(t.TempDir(), "shop@.service")
	require.NoError(t, os.WriteFile(file, []byte(unit), 0o600))
	out, err := exec.Command(analyze, "verify", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
}

func TestCaddyfile(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(find(t, "caddy"), "validate", "--adapter", "caddyfile", "--config", "Caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// The shop reads each setting of shop.env, and the addresses of unit, Caddyfile and README are the same.
func TestSettings(t *testing.T) {
	t.Parallel()
	source := read(t, "../shop/config.go")
	names := regexp.MustCompile(`(?m)^(\w+)=`).FindAllStringSubmatch(read(t, "shop.env"), -1)
	require.Len(t, names, 5)
	for _, name := range names {
		require.Contains(t, source, `getenv("`+name[1]+`")`)
	}
	for _, port := range []string{"4251", "4252"} {
		require.Contains(t, read(t, "shop@.service"), "shop@"+port)
		require.Equal(t, 2, strings.Count(read(t, "Caddyfile"), "127.0.0.1:"+port))
	}
}

// What the Dockerfile copies before the rest exists.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	copies := regexp.MustCompile(`(?m)^COPY ((?:\S*go\.(?:mod|sum) )+)`).FindAllStringSubmatch(read(t, "Dockerfile"), -1)
	require.Len(t, copies, 2)
	for _, line := range copies {
		for _, file := range strings.Fields(line[1]) {
			require.FileExists(t, filepath.Join("../..", file))
		}
	}
}
