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
	nested := released(folders)
	require.Subset(t, nested, []string{"checkout/checkoutotel", "cmd/fulfil"})
	require.NotContains(t, nested, ".")
	all := strings.Join(steps("v0.1.0", nested), "\n") + "\n"
	require.Equal(t, 1, strings.Count(all, "git tag -a v0.1.0 "))
	for _, folder := range nested {
		require.Equal(t, 1, strings.Count(all, "git tag -a "+folder+"/v0.1.0 "), folder)
		require.Contains(t, all, "go -C "+folder+" mod edit -dropreplace=")
		mod, err := os.ReadFile(filepath.Join("../..", folder, "go.mod"))
		require.NoError(t, err)
		replaced := regexp.MustCompile(`(?m)^(?:replace |\t)(\S+) => `).FindAllStringSubmatch(string(mod), -1)
		require.Len(t, replaced, 1, "%s: a released module replaces the root module alone", folder)
		require.Equal(t, rootModule, replaced[0][1], folder)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{"v0.1.0": true, "v1.2.3-rc.1": true, "0.1.0": false, "v1": false, "v01.0.0": false, "v1.0.0 ": false} {
		require.Equal(t, ok, semantic.MatchString(version), version)
	}
}
