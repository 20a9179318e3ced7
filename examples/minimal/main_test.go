package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
