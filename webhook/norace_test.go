//go:build !race

package webhook

// raceEnabled says whether the race detector is on.
const raceEnabled = false
