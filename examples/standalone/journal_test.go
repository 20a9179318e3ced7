package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A state file belongs to one program at a time, and is free as soon as that program has ended.
func TestStateFileIsLocked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	p := start(t, "-data", file)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = run(ctx, []string{"-addr", "127.0.0.1:0", "-control", "127.0.0.1:0", "-data", file}, io.Discard)
	require.ErrorContains(t, err, "is used by another program: end that one, or name another file")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	p.stop()
	require.NoError(t, <-p.stopped)
	start(t, "-data", file)
}

// A state file that is full says so once, keeps no gap, and takes entries again after a reset.
func TestStateFileIsFull(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	j, _, err := openJournal(file, header{Key: "sk_test_x"})
	require.NoError(t, err)
	defer j.close()
	small := entry{Command: &command{Do: "reset"}}
	large := entry{Request: &keptRequest{Body: string(make([]byte, 1000))}}
	require.NoError(t, j.write(small))
	j.size = maxJournal - 500
	require.ErrorContains(t, j.write(large), "has reached its limit of 256 MiB")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, j.write(small), "it has been said")
	still, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(whole), string(still), "an entry after a gap could not be done again")
	require.NoError(t, j.clear())
	require.NoError(t, j.write(large))
	anew, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Greater(t, len(anew), 1000)
}

// A program that is killed during a reset leaves a file with its key and secret, whichever lines are left. The state after a start is the
// same as after the reset.
func TestResetIsOneChangeOfTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	p := start(t, "-data", file)
	p.create(t)
	p.ask(t, http.MethodPost, "/api/clock/advance", `{"seconds": 3600}`)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	p.ask(t, http.MethodPost, "/api/reset", "")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	header, _, _ := strings.Cut(string(before), "\n")
	require.Equal(t, header+"\n", string(after))
	require.Less(t, p.clock(t), time.Now().Add(time.Minute).UnixNano(), "the clock is that of the wall again")
	id, _ := p.create(t)
	lists := map[string]string{}
	for _, path := range keptLists {
		lists[path] = strings.ReplaceAll(p.get(t, path), p.api, "")
	}
	secret := p.secret
	p.end(t)
	p = start(t, "-data", file)
	require.Equal(t, secret, p.secret)
	for _, path := range keptLists {
		require.Equal(t, lists[path], strings.ReplaceAll(p.get(t, path), p.api, ""), path)
	}
	require.Contains(t, lists[keptLists[0]], id)
}
