package scenarios

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestArrangements(t *testing.T) {
	t.Parallel()
	var all []string
	arrangements([]int{2, 0, 1}, func(sequence []int) { all = append(all, strings.Trim(fmt.Sprint(sequence), "[]")) })
	require.Equal(t, []string{"0 0 2", "0 2 0", "2 0 0"}, all)
	require.Equal(t, 90, countSequences([]int{2, 2, 2}))
	require.Equal(t, [][]int{{2, 2, 2}}, withDuplicates(3))
	require.Equal(t, [][]int{{0, 1, 1, 1}, {1, 0, 1, 1}}, withPolls(2, 3))
	require.Equal(t, [][]int{{0, 0, 1}}, lost(2, 3))
}

func TestSequences(t *testing.T) {
	t.Parallel()
	r := &Recording{steps: []Step{{Name: "a"}, {Name: "b"}}, events: 2}
	var all []string
	for sequence := range r.Permutations() {
		all = append(all, fmt.Sprint(sequence))
	}
	require.Equal(t, []string{
		"[a a b b]", "[a b a b]", "[a b b a]", "[b a a b]", "[b a b a]", "[b b a a]",
		"[b poll]", "[poll b]", "[a poll]", "[poll a]", "[poll]",
	}, all)
}
