package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if os.Getenv("MINIMAL_TEST_CHILD") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestNamesTheMissingVariable(t *testing.T) {
	t.Parallel()
	for missing, set := range map[string]string{"STRIPE_SECRET_KEY": "STRIPE_WEBHOOK_SECRET=whsec_x", "STRIPE_WEBHOOK_SECRET": "STRIPE_SECRET_KEY=sk_test_x"} {
		child := exec.Command(os.Args[0])
		child.Env = []string{"MINIMAL_TEST_CHILD=1", set}
		out, err := child.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "set "+missing)
	}
}

// The README's first Go block is this program, and stands within its first 20 lines.
func TestReadme(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(readme), "```go\n")
	require.True(t, found)
	require.LessOrEqual(t, strings.Count(before, "\n"), 20, "lines before the first Go block")
	block, _, found := strings.Cut(rest, "```\n")
	require.True(t, found)
	_, body, found := strings.Cut(string(program), "package main\n")
	require.True(t, found)
	require.Equal(t, "package main\n"+body, block)
}
