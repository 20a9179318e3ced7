package checkouttest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMatchStar(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"charge.succeeded", "charge.succeeded", true}, {"charge.succeeded", "charge.succeeded.x", false}, {"charge.*", "charge.succeeded", true},
		{"charge.*", "charge.", true}, {"charge.*", "chargeback", false}, {"*", "", true}, {"", "", true}, {"", "a", false},
		{"*.succeeded", "charge.succeeded", true}, {"*.succeeded", "charge.succeeded.", false}, {"a*b*c", "a-b-b-c", true}, {"a*b*c", "a-c-b", false},
		{"* /v1/x/*/expire", "POST /v1/x/cs_1/expire", true}, {"* /v1/x/*/expire", "POST /v1/x/expire", false}, {"**", "a", true},
	} {
		require.Equal(t, c.want, matchStar(c.pattern, c.name), "%q %q", c.pattern, c.name)
	}
}

// A draw depends on each of its numbers, and draws are spread evenly.
func TestDraw(t *testing.T) {
	t.Parallel()
	seen := map[uint64]bool{}
	hits := 0
	for seed := range uint64(10) {
		for a := range 10 {
			for b := range 10 {
				n := draw(seed, a, b)
				seen[n] = true
				if float64(n>>11)/(1<<53) < 0.25 {
					hits++
				}
			}
		}
	}
	require.Equal(t, 1000, len(seen))
	require.InDelta(t, 250, hits, 50)
	require.NotEqual(t, draw(1, 2, 3), draw(1, 3, 2))
	require.NotEqual(t, draw(1), draw(1, 0))
}
