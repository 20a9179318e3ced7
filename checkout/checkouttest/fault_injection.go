package checkouttest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// armed is a fault that is set.
type armed struct {
	Fault
	place int // among those set
	met   int // requests that it is for, so far
}

// picks says whether the selectors agree on what has a name, a number to be picked by, and numbers to draw by.
func (f *armed) picks(name string, number int, draws ...int) bool {
	if f.names != nil && !slices.ContainsFunc(f.names, func(pattern string) bool { return matchStar(pattern, name) }) {
		return false
	}
	if f.kind.ofRequests() {
		f.met++
		number = f.met
	}
	if f.on != nil && !slices.Contains(f.on, number) {
		return false
	}
	return f.chance == nil || float64(draw(f.chance.seed, append(draws, f.place)...)>>11)/(1<<53) < f.chance.p
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

// draw is a number that depends on the seed and on all the others, and looks random. The mixing is that of
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

// A way is what befalls one attempt to deliver an event.
type way struct {
	names           []string
	drop, truncate  bool
	badSignature    bool
	delay, stale    time.Duration
	copies, abreast int
	versionInstead  string
}

// wayOf asks the faults about an attempt. The server is locked.
func (s *Server) wayOf(d delivery) way {
	w := way{copies: 1, abreast: 1}
	for _, f := range s.faults {
		if f.kind.ofRequests() || !f.picks(d.event.typ, d.number, d.event.n, s.place(d.to.hook), d.number) {
			continue
		}
		w.names = append(w.names, f.String())
		switch f.kind {
		case drop:
			w.drop = true
		case delay:
			w.delay += f.d
		case duplicate:
			w.copies = max(w.copies, f.n)
		case concurrent:
			w.abreast = max(w.abreast, f.n)
		case truncate:
			w.truncate = true
		case badSignature:
			w.badSignature = true
		case stale:
			w.stale += f.d
		case version:
			w.versionInstead = f.text
		}
	}
	if w.drop {
		w.copies, w.abreast = 1, 1
	}
	return w
}

func (w way) version(h *hook) string {
	if w.versionInstead != "" {
		return w.versionInstead
	}
	return h.apiVersion()
}

func (w way) secrets(h *hook, now time.Time) []string {
	if w.badSignature {
		return []string{"whsec_unknown"}
	}
	return h.live(now)
}

// place is an endpoint's number, for draws.
func (s *Server) place(h *hook) int { return slices.Index(s.hooks, h) }

// next takes the next delivery off the queue: the first, or one drawn from those that are to be reordered. The server is
// locked, and the queue is not empty.
func (s *Server) next() delivery {
	best := 0
	if least, ok := s.rank(s.queue[0]); ok {
		for i, d := range s.queue {
			if rank, ok := s.rank(d); ok && rank < least {
				best, least = i, rank
			}
		}
	}
	d := s.queue[best]
	s.queue = slices.Delete(s.queue, best, best+1)
	return d
}

// rank is the place of a delivery among those that are to be reordered.
func (s *Server) rank(d delivery) (_ uint64, reordered bool) {
	number := d.number
	if number == 0 {
		number = d.to.tries + 1
	}
	for _, f := range s.faults {
		by := []int{d.event.n, s.place(d.to.hook), number}
		if f.kind == reorder && f.picks(d.event.typ, number, by...) {
			return draw(f.seed, by...), true
		}
	}
	return 0, false
}

// trouble is what befalls one request. Each has a value for before the write and for after it.
type trouble struct {
	names         []string
	limited       *time.Duration
	failed, reset [2]bool
	latency       [2]time.Duration
}

const (
	beforeWrite = iota
	afterWrite
)

// troubleOf asks the faults about a request.
func (s *Server) troubleOf(r *http.Request) trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	var t trouble
	for _, f := range s.faults {
		if !f.kind.ofRequests() || !f.picks(r.Method+" "+r.URL.Path, 0, s.requests) {
			continue
		}
		t.names = append(t.names, f.String())
		when := beforeWrite
		if f.after {
			when = afterWrite
		}
		switch f.kind {
		case rateLimit:
			t.limited = &f.d
		case serverError:
			t.failed[when] = true
		case reset:
			t.reset[when] = true
		case latency:
			t.latency[when] += f.d
		}
	}
	return t
}

// answerOrFail answers a call, or what befalls it does. Status zero is no answer.
func (s *Server) answerOrFail(h http.Header, r *http.Request, c *call, known *schema, do endpoint) (_ answer, replayed bool) {
	t := c.trouble
	s.pass(t.latency[beforeWrite])
	switch {
	case t.reset[beforeWrite]:
		return answer{}, false
	case t.limited != nil:
		h.Set("Stripe-Should-Retry", "true")
		h.Set("Retry-After", strconv.Itoa(int((*t.limited+time.Second-1)/time.Second)))
		return answerWith(nil, &apiError{
			status: http.StatusTooManyRequests, typ: "invalid_request_error", code: "rate_limit",
			message: "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
		}), false
	case t.failed[beforeWrite]:
		h.Set("Stripe-Should-Retry", "true")
		return answerWith(nil, broken()), false
	}
	a, replayed := s.answer(r, c, known, do)
	s.pass(t.latency[afterWrite])
	if t.reset[afterWrite] {
		return answer{}, false
	}
	return a, replayed
}

// hangUp cuts the connection of a request instead of answering. The first line of one keeps net/http's client from
// sending the request again by itself, as it may when a connection ends before the first byte.
func hangUp(w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // not a connection: serveUncut
	}
	_, _ = rw.WriteString("HTTP/1.1 200 OK\r\n")
	_ = rw.Flush()
	_ = conn.Close()
}
