package checkout

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// clockOffset is how far Stripe's clock is ahead of this process's, learned from the Date header of Stripe's answers.
// Stripe checks the end of a new session against its own clock, and processes whose clocks differ share the time up to
// which events were read.
type clockOffset struct {
	local   func() time.Time
	log     *slog.Logger
	offset  atomic.Int64 // nanoseconds
	learned atomic.Bool  // Stripe's time was heard of
	warned  atomic.Bool
	ahead   atomic.Bool // this process's clock is ahead of Stripe's by more than offsetMost
}

// errClockAhead keeps a process from sweeping whose times would hide orders from the sweeps of others.
var errClockAhead = errors.New("checkout: this machine's clock is more than an hour ahead of stripe's, so it must not sweep: set it by NTP, or Config.Clock to the test server's in a test")

// askTimeout is how long a process waits for Stripe's time before its first sweep.
const askTimeout = 5 * time.Second

const (
	// offsetIgnored is the difference that a request on its way and whole seconds explain.
	offsetIgnored = 5 * time.Second
	// offsetMost is the largest difference that a clock which runs fast or slow explains. A larger one is of a clock that is wrong, or of
	// a test's. It is believed if this clock is ahead, as times that lie in the future hide orders from the sweeps of other processes.
	offsetMost = time.Hour
)

// learn reads the Date header of an answer (https://www.rfc-editor.org/rfc/rfc9110#field.date).
func (c *clockOffset) learn(response *stripe.APIResponse) {
	if response == nil {
		return
	}
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return
	}
	c.learned.Store(true)
	offset := date.Sub(c.local())
	c.ahead.Store(offset < -offsetMost)
	wrong := offset.Abs() > offsetMost
	if wrong && !c.warned.Swap(true) {
		c.log.Error("the clock of this machine is wrong: set it by NTP, or Config.Clock to the test server's in a test", "ahead_of_stripe", -offset)
	}
	if offset.Abs() <= offsetIgnored || offset > offsetMost {
		offset = 0
	}
	if before := c.offset.Swap(int64(offset)); before == 0 && offset != 0 && !wrong {
		c.log.Warn("the clock of this machine differs from stripe's: set it by NTP, or Config.Clock to the test server's in a test", "ahead_of_stripe", -offset)
	}
}

// at is Stripe's time when this process's clock says now.
func (c *clockOffset) at(now time.Time) time.Time { return now.Add(time.Duration(c.offset.Load())) }

// checkClock learns Stripe's time before the first sweep of a process, as what a sweep takes is due again by this process's clock. It
// returns errClockAhead if that clock is far ahead. A budget of one or two requests is left for the sweep, as each sweep may be the first of
// a process.
func (f *Flow[Tx]) checkClock(ctx context.Context, b *budget) error {
	if !f.stripeClock.learned.Load() {
		if b.left > 2 {
			b.take()
		}
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		err := f.stripe.askTime(asking)
		b.answered(err)
		if err != nil && ctx.Err() == nil {
			f.log.Warn("asking stripe for the time", "error", err)
		}
	}
	if f.stripeClock.ahead.Load() {
		return errClockAhead
	}
	return nil
}
