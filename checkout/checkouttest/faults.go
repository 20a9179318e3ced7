package checkouttest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Fault is something that goes wrong with deliveries or with requests to the API. A Fault without selectors happens each
// time. A Fault with several selectors happens when all of them match:
//
//	checkouttest.Drop().For("checkout.session.*").On(1, 2)
//	checkouttest.Reset().AfterWrite().For("POST /v1/checkout/sessions").Chance(seed, 0.1)
//
// A Chance is drawn from its seed, from the place of the Fault among those set, and from the numbers of the event and the
// attempt, or of the request. The same calls in the same order therefore meet the same faults.
type Fault struct {
	kind   kind
	n      int
	d      time.Duration
	text   string // an API version
	seed   uint64
	after  bool // the write
	names  []string
	on     []int
	chance *chance
}

type chance struct {
	seed uint64
	p    float64
}

type kind string

const (
	drop         kind = "drop"
	delay        kind = "delay"
	duplicate    kind = "duplicate"
	concurrent   kind = "concurrent"
	reorder      kind = "reorder"
	truncate     kind = "truncate"
	badSignature kind = "bad signature"
	stale        kind = "stale"
	version      kind = "version"

	rateLimit   kind = "429"
	serverError kind = "500"
	reset       kind = "reset"
	latency     kind = "latency"
)

func (k kind) ofRequests() bool {
	return k == rateLimit || k == serverError || k == reset || k == latency
}

// Drop loses attempts on their way. No receiver sees them, and the server retries them as Stripe would.
func Drop() Fault { return Fault{kind: drop} }

// DropFirst loses the first n attempts to deliver each event.
func DropFirst(n int) Fault {
	first := make([]int, max(n, 0))
	for i := range first {
		first[i] = i + 1
	}
	return Drop().On(first...)
}

// Delay makes an attempt d later than it is due, on the server's clock.
func Delay(d time.Duration) Fault { return Fault{kind: delay, d: d} }

// Duplicate makes an attempt n times in all, one after the other. The receiver accepts the event if it accepts every copy.
func Duplicate(n int) Fault { return Fault{kind: duplicate, n: n} }

// Concurrent makes an attempt n times at once, each on a goroutine of its own. It starts goroutines even with
// Config.Sequential. The receiver accepts the event if it accepts every copy.
func Concurrent(n int) Fault { return Fault{kind: concurrent, n: n} }

// Reorder shuffles the deliveries that are due at one time, in an order drawn from the seed.
func Reorder(seed uint64) Fault { return Fault{kind: reorder, seed: seed} }

// Truncate cuts the body in half after signing it.
func Truncate() Fault { return Fault{kind: truncate} }

// BadSignature signs with a secret that the receiver does not know.
func BadSignature() Fault { return Fault{kind: badSignature} }

// Stale signs with a timestamp of the given age. Stripe's libraries refuse timestamps older than five minutes:
// https://docs.stripe.com/webhooks#replay-attacks
func Stale(age time.Duration) Fault { return Fault{kind: stale, d: age} }

// APIVersion sends snapshot events in the envelope of another API version. The object in the event keeps its shape. Thin
// events have no API version.
func APIVersion(v string) Fault { return Fault{kind: version, text: v} }

// RateLimit answers requests with 429 before it looks at them. An idempotency key therefore does not remember the answer.
// The answer asks the client to retry after the given time, in whole seconds. https://docs.stripe.com/rate-limits
func RateLimit(after time.Duration) Fault { return Fault{kind: rateLimit, d: after} }

// ServerError answers requests with 500. Normally the request has done nothing, and no idempotency key remembers it. With
// AfterWrite, the request has done what it asked for, and an idempotency key remembers the 500:
// https://docs.stripe.com/api/idempotent_requests
func ServerError() Fault { return Fault{kind: serverError} }

// Reset cuts the connection without an answer, before the server looks at the request. With AfterWrite, it cuts the
// connection when the request is done, and an idempotency key remembers the lost answer. Over Transport, the client gets
// syscall.ECONNRESET. Over a socket, the client reads the beginning of an answer and then io.ErrUnexpectedEOF.
func Reset() Fault { return Fault{kind: reset} }

// Latency lets d go by on the server's clock before the server looks at a request. With AfterWrite, the time goes by before
// the answer. Everything that falls due in the meantime happens.
func Latency(d time.Duration) Fault { return Fault{kind: latency, d: d} }

// AfterWrite makes a ServerError, Reset or Latency happen after the request was executed, instead of before.
func (f Fault) AfterWrite() Fault {
	f.after = true
	return f
}

// For selects event types, such as "checkout.session.completed", or requests, such as "POST /v1/checkout/sessions". A star
// stands for any text: "checkout.*", "POST *", "* /v1/checkout/sessions/*/expire". The types of thin events begin with
// "v1.". For without names selects nothing.
func (f Fault) For(names ...string) Fault {
	f.names = append([]string{}, names...)
	return f
}

// On selects attempts by their number. Number 1 is the first attempt to deliver an event to an endpoint. Of requests, On
// counts those that For selects, from 1, since the faults were set. On without numbers selects nothing.
func (f Fault) On(numbers ...int) Fault {
	f.on = append([]int{}, numbers...)
	return f
}

// Chance selects at random. p is between 0, for never, and 1, for always.
func (f Fault) Chance(seed uint64, p float64) Fault {
	f.chance = &chance{seed, p}
	return f
}

// Random is a mix of faults for simulations: one of each kind, all with the same chance. It leaves out Concurrent, because
// no seed orders goroutines. Use Chance for a mix of your own.
func Random(seed uint64, p float64) []Fault {
	all := []Fault{
		Drop(), Delay(10 * time.Second), Delay(2 * time.Hour), Duplicate(2), Reorder(seed), Truncate(), BadSignature(),
		Stale(time.Hour), APIVersion("2020-08-27"),
		RateLimit(time.Second), ServerError(), ServerError().AfterWrite(), Reset(), Reset().AfterWrite(), Latency(2 * time.Second),
		Latency(20 * time.Second).AfterWrite(),
	}
	for i := range all {
		all[i] = all[i].Chance(seed, p)
	}
	return all
}

// String describes the fault as the log does.
func (f Fault) String() string {
	s := string(f.kind)
	switch f.kind {
	case delay, stale, latency:
		s += " " + f.d.String()
	case duplicate, concurrent:
		s += fmt.Sprintf(" %d", f.n)
	case version:
		s += " " + f.text
	}
	if f.after {
		s += " after the write"
	}
	return s
}

// check finds mistakes: faults that could never happen, and faults that would not do what they say.
func (f Fault) check() error {
	requests := f.kind.ofRequests()
	switch {
	case f.kind == "":
		return fmt.Errorf("make a Fault with a function such as Drop")
	case (f.kind == duplicate || f.kind == concurrent) && f.n < 2:
		return fmt.Errorf("%s: n must be at least 2", f)
	case f.d < 0, f.d == 0 && (f.kind == delay || f.kind == stale || f.kind == latency):
		return fmt.Errorf("%s: the duration must be positive", f)
	case f.kind == version && f.text == "":
		return fmt.Errorf("%s: name a version, such as 2020-08-27", f)
	case f.after && (!requests || f.kind == rateLimit):
		return fmt.Errorf("%s: AfterWrite is for ServerError, Reset and Latency", f)
	case f.chance != nil && !(f.chance.p >= 0 && f.chance.p <= 1):
		return fmt.Errorf("%s: a chance must be between 0 and 1", f)
	case slices.ContainsFunc(f.on, func(n int) bool { return n < 1 }):
		return fmt.Errorf("%s: the numbers of attempts and requests begin at 1", f)
	}
	for _, name := range f.names {
		if name != "*" && requests != strings.Contains(name, " ") {
			return fmt.Errorf("%s: For(%q): select deliveries by event type, and requests by method and path", f, name)
		}
	}
	return nil
}

// Faults sets what goes wrong from now on. It replaces the faults that were set before; without arguments, nothing goes
// wrong. Several faults may hit one attempt or request. Faults panics if a Fault makes no sense.
func (s *Server) Faults(faults ...Fault) {
	set := make([]*activeFault, len(faults))
	for i, f := range faults {
		if err := f.check(); err != nil {
			panic("checkouttest: " + err.Error())
		}
		set[i] = &activeFault{Fault: f, place: i}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.requests = set, 0
}
