package checkouttest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An activeFault is a fault that is set on the server.
type activeFault struct {
	Fault
	place    int // among the faults that are set
	requests int // the requests that matched For so far
}

// matchesName reports whether For picks an event type or a request.
func (f *activeFault) matchesName(name string) bool {
	if f.names == nil {
		return true
	}
	return slices.ContainsFunc(f.names, func(pattern string) bool { return matchStar(pattern, name) })
}

// hits reports whether On and Chance pick an attempt or a request. number is its number for On. The draw for Chance depends
// on the numbers in by.
func (f *activeFault) hits(number int, by ...int) bool {
	if f.on != nil && !slices.Contains(f.on, number) {
		return false
	}
	if f.chance == nil {
		return true
	}
	const bits = 53 // of the mantissa of a float64
	drawn := float64(draw(f.chance.seed, append(by, f.place)...)>>(64-bits)) / (1 << bits)
	return drawn < f.chance.p
}

// hitsDelivery reports whether a fault hits one attempt to deliver an event.
func (f *activeFault) hitsDelivery(eventType string, number int, by ...int) bool {
	return f.matchesName(eventType) && f.hits(number, by...)
}

// hitsRequest reports whether a fault hits a request, and counts the request. served is the number of requests since the
// faults were set.
func (f *activeFault) hitsRequest(r *http.Request, served int) bool {
	if !f.matchesName(r.Method + " " + r.URL.Path) {
		return false
	}
	f.requests++
	return f.hits(f.requests, served)
}

// matchStar matches a pattern in which a star stands for any text.
func matchStar(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, first)
	if !ok {
		return false
	}
	for i := 0; i <= len(name); i++ {
		if matchStar(rest, name[i:]) {
			return true
		}
	}
	return false
}

// draw returns a number that looks random and depends on the seed and on all numbers in by. It mixes like
// https://prng.di.unimi.it/splitmix64.c.
func draw(seed uint64, by ...int) uint64 {
	z := mix(seed)
	for _, n := range by {
		z = mix(z + uint64(n))
	}
	return z
}

func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// deliveryFaults are the faults of one attempt to deliver an event.
type deliveryFaults struct {
	names        []string // of all of them, for the log
	drop         bool
	truncate     bool
	badSignature bool
	delay        time.Duration
	stale        time.Duration // how old the timestamp of the signature is
	copies       int           // one after the other
	concurrent   int           // at once, for each of the copies
	apiVersion   string        // empty: the endpoint's
}

// deliveryFaultsOf returns the faults that hit an attempt. The server is locked.
func (s *Server) deliveryFaultsOf(d delivery) deliveryFaults {
	found := deliveryFaults{copies: 1, concurrent: 1}
	for _, f := range s.faults {
		if f.kind.ofRequests() || f.kind == version && d.event.thin() || !f.hitsDelivery(d.event.typ, d.number, d.event.n, s.place(d.to.endpoint), d.number) {
			continue
		}
		found.names = append(found.names, f.String())
		switch f.kind {
		case drop:
			found.drop = true
		case delay:
			found.delay += f.d
		case duplicate:
			found.copies = max(found.copies, f.n)
		case concurrent:
			found.concurrent = max(found.concurrent, f.n)
		case truncate:
			found.truncate = true
		case badSignature:
			found.badSignature = true
		case stale:
			found.stale += f.d
		case version:
			found.apiVersion = f.text
		}
	}
	if found.drop {
		found.copies, found.concurrent = 1, 1
	}
	return found
}

// place returns an endpoint's number, for draws.
func (s *Server) place(e *webhookEndpoint) int { return slices.Index(s.webhookEndpoints, e) }

// nextDelivery takes a delivery off the queue: the first one, or, with Reorder, the one with the lowest draw. The server is
// locked, and the queue is not empty.
func (s *Server) nextDelivery() delivery {
	best := 0
	least, reordered := s.reorderDraw(s.queue[0])
	if reordered {
		for i, d := range s.queue {
			if drawn, ok := s.reorderDraw(d); ok && drawn < least {
				best, least = i, drawn
			}
		}
	}
	d := s.queue[best]
	s.queue = slices.Delete(s.queue, best, best+1)
	return d
}

// reorderDraw returns the number by which Reorder sorts a delivery, and whether a Reorder hits it.
func (s *Server) reorderDraw(d delivery) (_ uint64, reordered bool) {
	number := d.number
	if number == 0 {
		number = d.to.tries + 1
	}
	for _, f := range s.faults {
		by := []int{d.event.n, s.place(d.to.endpoint), number}
		if f.kind == reorder && f.hitsDelivery(d.event.typ, number, by...) {
			return draw(f.seed, by...), true
		}
	}
	return 0, false
}

// requestFaults are the faults of one request. Some have one value for before the request is executed and one for after.
type requestFaults struct {
	names      []string       // of all of them, for the log
	retryAfter *time.Duration // of a rate limit; nil: there is none
	fails      [2]bool
	resets     [2]bool
	latency    [2]time.Duration
}

const (
	beforeWrite = iota
	afterWrite
)

// requestFaultsOf returns the faults that hit a request.
func (s *Server) requestFaultsOf(r *http.Request) requestFaults {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	var found requestFaults
	for _, f := range s.faults {
		if !f.kind.ofRequests() || !f.hitsRequest(r, s.requests) {
			continue
		}
		found.names = append(found.names, f.String())
		when := beforeWrite
		if f.after {
			when = afterWrite
		}
		switch f.kind {
		case rateLimit:
			found.retryAfter = &f.d
		case serverError:
			found.fails[when] = true
		case reset:
			found.resets[when] = true
		case latency:
			found.latency[when] += f.d
		}
	}
	return found
}

// answerUnderFaults answers a call, unless a fault hits it.
func (s *Server) answerUnderFaults(h http.Header, r *http.Request, c *call, op *operation) (_ answer, replayed bool) {
	s.passTime(c.faults.latency[beforeWrite])
	switch {
	case c.faults.resets[beforeWrite]:
		return answer{}, false
	case c.faults.retryAfter != nil:
		seconds := int((*c.faults.retryAfter + time.Second - 1) / time.Second)
		h.Set("Stripe-Should-Retry", "true")
		h.Set("Retry-After", strconv.Itoa(seconds))
		return c.failure(&apiError{
			status: http.StatusTooManyRequests, typ: "invalid_request_error", code: "rate_limit",
			message: "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
		}), false
	case c.faults.fails[beforeWrite]:
		h.Set("Stripe-Should-Retry", "true")
		return c.failure(serverFailure()), false
	}
	a, replayed := s.answer(r, c, op)
	s.passTime(c.faults.latency[afterWrite])
	switch {
	case c.faults.resets[afterWrite]:
		return answer{}, false
	case c.faults.fails[afterWrite] && c.v2 && a.status == http.StatusOK: // an idempotency key of /v2 remembers the success
		return c.failure(serverFailure()), false
	}
	return a, replayed
}

// hangUp cuts the connection of a request instead of answering. It first writes the first line of an answer: when a
// connection ends before the first byte, net/http's client may send the request again by itself.
func hangUp(w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // there is no connection; memoryTransport recovers
	}
	_, _ = rw.WriteString("HTTP/1.1 200 OK\r\n")
	_ = rw.Flush()
	_ = conn.Close()
}
