package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The generator makes the checked-in files from the checked-in list.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	dir, err := filepath.Abs("../../webhook")
	require.NoError(t, err)
	source := filepath.Join(dir, "event_types.json")
	t.Chdir(t.TempDir())
	require.NoError(t, run(source))
	for _, file := range []string{"events_gen.go", "events_gen_test.go"} {
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "%s: run go generate in webhook", file)
	}
}

func TestBadListsAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for list, want := range map[string]string{
		`{`: "unexpected end of JSON input",
		`[{"type":"a","object":"a","go":"stripe.A"}]`:                               "incomplete entry",
		`[{"type":"a","go":"stripe.A","const":"stripe.EventTypeA"}]`:                "incomplete entry",
		`[{"object":"a","go":"stripe.A","const":"stripe.EventTypeA"}]`:              "incomplete entry",
		`[{"type":"a","object":"a","go":"stripe.A","const":"stripe.EventTypeA B"}]`: "events_gen.go",
	} {
		require.NoError(t, os.WriteFile("list.json", []byte(list), 0o600))
		require.ErrorContains(t, run("list.json"), want, list)
	}
	require.Error(t, run("missing.json"))
}
