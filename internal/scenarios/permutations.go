package scenarios

import (
	"iter"
	"slices"
)

// mostOrders is how many orders of its events, with duplicates, a story is told in at most.
const mostOrders = 1000

// Permutations are the orders in which the story is told: of its steps with duplicates, with a poll in place of each of its events,
// and with a poll after any two or more of them were lost.
func (r *Recording) Permutations() iter.Seq[[]Step] {
	return func(yield func([]Step) bool) {
		n, going := len(r.steps), true
		withPoll := append(slices.Clone(r.steps), poll)
		tell := func(counts []int, last ...int) {
			arrangements(counts, func(order []int) {
				going = going && yield(pick(withPoll, append(order, last...)))
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

func pick(steps []Step, order []int) []Step {
	picked := make([]Step, len(order))
	for i, n := range order {
		picked[i] = steps[n]
	}
	return picked
}

// withDuplicates is how often each of n steps comes: twice, if that makes few enough orders; else each of them in turn
// twice; else once.
func withDuplicates(n int) [][]int {
	once := slices.Repeat([]int{1}, n)
	doubled := slices.Repeat([]int{2}, n)
	if countOrders(doubled) <= mostOrders {
		return [][]int{doubled}
	}
	var inTurn [][]int
	for i := range n {
		counts := slices.Clone(once)
		counts[i] = 2
		inTurn = append(inTurn, counts)
	}
	if n*countOrders(inTurn[0]) <= mostOrders {
		return inTurn
	}
	return [][]int{once}
}

// withPolls has the question, step n, asked in place of each of the events among n steps.
func withPolls(events, n int) (all [][]int) {
	for i := range events {
		counts := slices.Repeat([]int{1}, n+1)
		counts[i] = 0
		all = append(all, counts)
	}
	return all
}

// lost has two or more of the events among n steps never heard.
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

// arrangements calls fn with every order of a multiset: counts[i] times the number i.
func arrangements(counts []int, fn func(order []int)) {
	left := slices.Clone(counts)
	var order []int
	var next func(n int)
	next = func(n int) {
		if n == 0 {
			fn(order)
			return
		}
		for i := range left {
			if left[i] > 0 {
				left[i]--
				order = append(order, i)
				next(n - 1)
				order = order[:len(order)-1]
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

func countOrders(counts []int) (orders int) {
	if len(counts) > 5 {
		return mostOrders + 1 // without counting to the end
	}
	arrangements(counts, func([]int) { orders++ })
	return orders
}
