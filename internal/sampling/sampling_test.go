package sampling

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const childEnv = "FULFIL_TEST_SAMPLING_CHILD"

func TestIndexes(t *testing.T) {
	t.Setenv(fullEnv, "")
	met := map[int]bool{}
	for i := range 200 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			picked := Indexes(t, 5, 20)
			require.Len(t, picked, 5)
			require.Equal(t, 0, picked[0])
			require.Equal(t, 19, picked[4])
			require.IsIncreasing(t, picked)
			require.Equal(t, picked, Indexes(t, 5, 20), "a test must draw the same sample again")
			for _, n := range picked {
				met[n] = true
			}
		})
	}
	require.Len(t, met, 20, "many tests together must cover the whole")
	require.Equal(t, []int{0, 1, 2}, Indexes(t, 5, 3))
	require.Equal(t, []int{0}, Indexes(t, 5, 1))
	require.Empty(t, Indexes(t, 5, 0))
	require.Equal(t, []int{0, 3}, Indexes(t, 2, 4))
}

func TestFull(t *testing.T) {
	t.Setenv(fullEnv, "1")
	require.True(t, Full())
	require.Equal(t, 7, Size(2, 7))
	require.Equal(t, []int{0, 1, 2, 3}, Indexes(t, 2, 4))
	require.Contains(t, replay("TestX"), fullEnv+"=1 ")
	t.Setenv(fullEnv, "0")
	require.False(t, Full())
	require.Equal(t, 2, Size(2, 7))
}

func TestReadSeed(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, 1, readSeed("", 5))
	require.EqualValues(t, 5, readSeed("random", 5))
	require.EqualValues(t, 7, readSeed("7", 5))
	require.PanicsWithValue(t, `FULFIL_TEST_SEED="x" is not a number: set it to the number that the failing test logged, or to random`, func() { readSeed("x", 5) })
}

// The child of TestReplay draws a number and fails.
func TestChild(t *testing.T) {
	if os.Getenv(childEnv) != "1" {
		t.Skip("TestReplay runs this test in a process of its own")
	}
	t.Run("a (b), c", func(t *testing.T) {
		t.Errorf("drew %d", Rand(t).Uint64())
	})
	t.Run("another", func(t *testing.T) { t.Errorf("drew %d", Rand(t).Uint64()) })
}

// The command that a failing test logs draws the same sample, in a process that runs only this test.
func TestReplay(t *testing.T) {
	t.Parallel()
	child := func(args []string, env ...string) string {
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), append(env, childEnv+"=1")...)
		out, err := cmd.CombinedOutput()
		require.Error(t, err, "the child must fail")
		return string(out)
	}
	line := func(out, prefix string) string {
		_, after, found := strings.Cut(out, prefix)
		require.True(t, found, out)
		line, _, _ := strings.Cut(after, "\n")
		return line
	}
	first := child([]string{"-test.run=^TestChild$"}, seedEnv+"=")
	command := line(first, "replay: ")
	set, rest, found := strings.Cut(command, " go test github.com/gofulfil/fulfil/internal/sampling -count=1 -run '")
	require.True(t, found, command)
	pattern := strings.TrimSuffix(rest, "'")
	require.Equal(t, `^TestChild$/^a_\(b\),_c$`, pattern)
	again := child([]string{"-test.run=" + pattern}, strings.Fields(set)...)
	require.Equal(t, line(first, "drew "), line(again, "drew "))
	require.Equal(t, command, line(again, "replay: "))
	require.NotContains(t, again, "TestChild/another")
	other := child([]string{"-test.run=" + pattern}, fmt.Sprintf("%s=%d", seedEnv, rand.Uint64()))
	require.NotEqual(t, line(first, "drew "), line(other, "drew "))
}
