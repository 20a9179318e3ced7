//go:build !race

package checkout_test

// raceEnabled says whether the race detector watches, which makes everything slow.
const raceEnabled = false
