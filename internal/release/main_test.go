package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each module of the workspace is released, or is one of examples or internal; the steps tag each released one once.
func TestEveryModuleIsReleased(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../go.work")
	require.NoError(t, err)
	var folders []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+)$`).FindAllStringSubmatch(string(text), -1) {
		folders = append(folders, filepath.ToSlash(filepath.Clean(m[1])))
	}
	nested, err := released("../..", folders)
	require.NoError(t, err)
	var names []string
	pushed := map[string]bool{rootModule: true}
	all := strings.Join(steps("v0.1.0", nested), "\n") + "\n"
	for _, m := range nested {
		names = append(names, m.folder)
		require.Contains(t, m.needs, rootModule, m.folder)
		for _, need := range m.needs {
			require.True(t, pushed[need], "%s needs %s, which is not pushed before it", m.folder, need)
			require.Contains(t, all, " -dropreplace="+need+" -require="+need+"@v0.1.0")
		}
		pushed[rootModule+"/"+m.folder] = true
		require.Equal(t, 1, strings.Count(all, "git tag -a "+m.folder+"/v0.1.0 "), m.folder)
	}
	require.Subset(t, names, []string{"checkout/checkoutotel", "cmd/fulfil", "internal/pgxkit", "store/pgxstore", "reservation/pgxreserver"})
	require.Equal(t, 1, strings.Count(all, "git tag -a v0.1.0 "))
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{"v0.1.0": true, "v1.2.3-rc.1": true, "0.1.0": false, "v1": false, "v01.0.0": false, "v1.0.0 ": false} {
		require.Equal(t, ok, semantic.MatchString(version), version)
	}
}
