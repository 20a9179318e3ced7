//go:build race

package webhook

// raceEnabled: the race detector makes sync.Pool drop things at random, so allocations can't be counted.
const raceEnabled = true
