//go:build race

package checkout_test

// raceEnabled says that the race detector watches, which makes everything slow.
const raceEnabled = true
