package scenarios

import (
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// maxSequences is the largest number of sequences with duplicates of one story.
const maxSequences = 1000

// Permutations returns the sequences of the story: all its steps with duplicates, a poll in place of any one event, and a poll at
// the end after two or more events were lost.
func (r *Recording) Permutations() iter.Seq[[]Step] {
	return func(yield func([]Step) bool) {
		n, stopped := len(r.steps), false
		withPoll := append(slices.Clone(r.steps), poll)
		tell := func(counts []int, last ...int) {
			arrangements(counts, func(sequence []int) {
				if !stopped {
					stopped = !yield(pick(withPoll, append(sequence, last...)))
				}
			})
		}
		for _, counts := range withDuplicates(n) {
			tell(counts)
		}
		if r.unpolled {
			return
		}
		for _, counts := range withPolls(r.events, n) {
			tell(counts)
		}
		for _, counts := range lost(r.events, n) {
			tell(counts, n)
		}
	}
}

// In returns a sequence as a shop hears it that gets its events in that form. With both forms, each event comes in one of them or in
// both, the second at any later place.
func In(form checkouttest.Payloads, sequence []Step, rng *rand.Rand) []Step {
	var heard []Step
	for _, step := range sequence {
		switch {
		case step.thin == nil || form == checkouttest.Snapshot:
			heard = append(heard, step)
		case form == checkouttest.Thin:
			heard = append(heard, *step.thin)
		default:
			heard = append(heard, inBothForms(step, rng)...)
		}
	}
	for i := 1; i < len(heard); i++ { // move some repetitions to a later place
		if to := i + rng.IntN(len(heard)-i); isOtherForm(heard[i-1], heard[i]) && rng.IntN(3) == 0 {
			moved := heard[i]
			copy(heard[i:to], heard[i+1:to+1])
			heard[to] = moved
		}
	}
	return heard
}

// inBothForms returns the snapshot event of a step, its thin event, or both in either order.
func inBothForms(step Step, rng *rand.Rand) []Step {
	all := [...][]Step{{step}, {*step.thin}, {step, *step.thin}, {*step.thin, step}}
	return all[rng.IntN(len(all))]
}

// isOtherForm reports whether two steps are the two forms of an event.
func isOtherForm(a, b Step) bool { return a.Name == "v1."+b.Name || b.Name == "v1."+a.Name }

func pick(steps []Step, sequence []int) []Step {
	picked := make([]Step, len(sequence))
	for i, n := range sequence {
		picked[i] = steps[n]
	}
	return picked
}

// withDuplicates returns how often each of n steps comes: each twice, if that gives few enough sequences; else each in turn
// twice; else each once.
func withDuplicates(n int) [][]int {
	once := slices.Repeat([]int{1}, n)
	doubled := slices.Repeat([]int{2}, n)
	if countSequences(doubled) <= maxSequences {
		return [][]int{doubled}
	}
	var inTurn [][]int
	for i := range n {
		counts := slices.Clone(once)
		counts[i] = 2
		inTurn = append(inTurn, counts)
	}
	if n*countSequences(inTurn[0]) <= maxSequences {
		return inTurn
	}
	return [][]int{once}
}

// withPolls returns how often each of n steps and the poll, step n, come: the poll takes the place of each event in turn.
func withPolls(events, n int) (all [][]int) {
	for i := range events {
		counts := slices.Repeat([]int{1}, n+1)
		counts[i] = 0
		all = append(all, counts)
	}
	return all
}

// lost returns how often each of n steps comes if two or more of the events are lost.
func lost(events, n int) (all [][]int) {
	for mask := range 1 << events {
		counts := slices.Repeat([]int{1}, n)
		heard := 0
		for i := range events {
			counts[i] = mask >> i & 1
			heard += counts[i]
		}
		if heard < events-1 {
			all = append(all, counts)
		}
	}
	return all
}

// arrangements calls fn with every sequence that contains each number i counts[i] times.
func arrangements(counts []int, fn func(sequence []int)) {
	left := slices.Clone(counts)
	var sequence []int
	var next func(n int)
	next = func(n int) {
		if n == 0 {
			fn(sequence)
			return
		}
		for i := range left {
			if left[i] > 0 {
				left[i]--
				sequence = append(sequence, i)
				next(n - 1)
				sequence = sequence[:len(sequence)-1]
				left[i]++
			}
		}
	}
	n := 0
	for _, c := range counts {
		n += c
	}
	next(n)
}

func countSequences(counts []int) (n int) {
	if len(counts) > 5 {
		return maxSequences + 1 // counting would take too long
	}
	arrangements(counts, func([]int) { n++ })
	return n
}
