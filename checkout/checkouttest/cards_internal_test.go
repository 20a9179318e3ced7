package checkouttest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCardTable checks the table itself: numbers, names and fingerprints stand for one card each, and the numbers pass the
// check that the pages of shops make, too.
func TestCardTable(t *testing.T) {
	t.Parallel()
	numbers, names, prints := map[PaymentMethod]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range testCards {
		require.False(t, numbers[c.Number], c.Number)
		numbers[c.Number] = true
		require.True(t, luhn(string(c.Number)), c.Number)
		for _, name := range strings.Fields(c.names) {
			require.False(t, names[name], name)
			names[name] = true
			require.Equal(t, c.Number, PaymentMethod("pm_card_"+name).normal())
			require.Equal(t, c.Number, PaymentMethod("tok_"+name).normal())
		}
		print := fingerprints[c.Number]
		require.False(t, prints[print], c.Number)
		prints[print] = true
		require.Equal(t, c.Number, cardByFingerprint(print).Number)
		require.Equal(t, c.Number, PaymentMethod(spaced(c.Number)).normal(), "with spaces")
	}
	require.False(t, luhn(badNumber))
	require.GreaterOrEqual(t, len(testCards), 120)
}

// luhn reports whether the check digit of a card number is right.
func luhn(number string) bool {
	sum := 0
	for i := range len(number) {
		digit := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			digit *= 2
		}
		sum += digit/10 + digit%10
	}
	return sum%10 == 0
}
