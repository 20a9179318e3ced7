package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWrongPasswordsAreLimited(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	g := newGate("hunter2")
	g.now = func() time.Time { return now }
	for range 2 * wrongTries {
		right, tried := g.try("hunter2")
		require.True(t, right && tried, "a right password does not count")
	}
	for range wrongTries {
		right, tried := g.try("hunter3")
		require.True(t, !right && tried)
	}
	for _, password := range []string{"hunter3", "hunter2"} {
		right, tried := g.try(password)
		require.False(t, right || tried, password)
	}
	now = now.Add(time.Minute)
	right, tried := g.try("hunter2")
	require.True(t, right && tried)
	require.Nil(t, newGate(""))
}
