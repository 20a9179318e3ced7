//go:build !windows

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The state file is free as soon as it is closed, although a process that is just starting still has a copy of it. A process that is
// given the file is in that state for as long as the test likes.
func TestClosedStateFileIsFree(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "state")
	first, _, err := openJournal(name, header{})
	require.NoError(t, err)
	_, _, err = openJournal(name, header{})
	require.ErrorContains(t, err, "is used by another program")

	starting := exec.Command("cat")
	starting.ExtraFiles = []*os.File{first.file}
	input, err := starting.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, starting.Start())
	defer func() {
		require.NoError(t, input.Close())
		require.NoError(t, starting.Wait())
	}()
	require.NoError(t, first.close())
	again, _, err := openJournal(name, header{})
	require.NoError(t, err)
	require.NoError(t, again.close())
}
