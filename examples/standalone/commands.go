package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A command is something that the customer, the bank or time does. The control page and the control API give commands.
type command struct {
	Do      string  `json:"do"`
	ID      string  `json:"id,omitempty"` // of the session, refund, dispute, subscription or event
	Method  string  `json:"method,omitempty"`
	Amount  int64   `json:"amount,omitempty"` // in minor units
	Seconds int64   `json:"seconds,omitempty"`
	Faults  []fault `json:"faults,omitempty"`
}

func (c command) duration() time.Duration { return time.Duration(c.Seconds) * time.Second }

// maxSeconds is how far one command moves the clock: a leap year.
const maxSeconds = 366 * 24 * 60 * 60

// errInput is the error of a command whose values make no sense.
var errInput = errors.New("fill in a number in its range")

// check checks the values that do not depend on the server.
func (c command) check() error {
	switch {
	case c.Do == "advance" && (c.Seconds < 1 || c.Seconds > maxSeconds):
		return fmt.Errorf("%w: seconds are 1 to %d", errInput, maxSeconds)
	case (c.Do == "refund" || c.Do == "transfer") && c.Amount < 1:
		return fmt.Errorf("%w: an amount is at least 1", errInput)
	}
	return nil
}

// run has the server do the command. It returns the ID of what the command made.
func (c command) run(test *checkouttest.Server) (id string, err error) {
	switch c.Do {
	case "pay":
		return "", test.Pay(c.ID, checkouttest.PaymentMethod(c.Method))
	case "settle":
		return "", test.Settle(c.ID)
	case "bounce":
		return "", test.Bounce(c.ID)
	case "transfer":
		return "", test.Transfer(c.ID, c.Amount)
	case "refund":
		return test.Refund(c.ID, c.Amount)
	case "dispute":
		return test.Dispute(c.ID)
	case "inquire":
		return test.Inquire(c.ID)
	case "settle-refund":
		return "", test.SettleRefund(c.ID)
	case "fail-refund":
		return "", test.FailRefund(c.ID)
	case "win-dispute":
		return "", test.WinDispute(c.ID)
	case "lose-dispute":
		return "", test.LoseDispute(c.ID)
	default:
		return "", fmt.Errorf("unknown command %q", c.Do)
	}
}

// A fault is a checkouttest.Fault in JSON.
type fault struct {
	Kind       string   `json:"kind"`
	For        []string `json:"for,omitempty"`
	On         []int    `json:"on,omitempty"`
	Chance     *float64 `json:"chance,omitempty"`
	Seed       uint64   `json:"seed,omitempty"`
	Seconds    float64  `json:"seconds,omitempty"`
	Times      int      `json:"times,omitempty"`
	Version    string   `json:"version,omitempty"`
	AfterWrite bool     `json:"after_write,omitempty"`
}

// faultKinds are the kinds of faults, by their names in JSON.
var faultKinds = map[string]func(f fault) checkouttest.Fault{
	"drop":          func(fault) checkouttest.Fault { return checkouttest.Drop() },
	"delay":         func(f fault) checkouttest.Fault { return checkouttest.Delay(f.duration()) },
	"duplicate":     func(f fault) checkouttest.Fault { return checkouttest.Duplicate(f.Times) },
	"concurrent":    func(f fault) checkouttest.Fault { return checkouttest.Concurrent(f.Times) },
	"reorder":       func(f fault) checkouttest.Fault { return checkouttest.Reorder(f.Seed) },
	"truncate":      func(fault) checkouttest.Fault { return checkouttest.Truncate() },
	"bad_signature": func(fault) checkouttest.Fault { return checkouttest.BadSignature() },
	"stale":         func(f fault) checkouttest.Fault { return checkouttest.Stale(f.duration()) },
	"version":       func(f fault) checkouttest.Fault { return checkouttest.APIVersion(f.Version) },
	"rate_limit":    func(f fault) checkouttest.Fault { return checkouttest.RateLimit(f.duration()) },
	"server_error":  func(fault) checkouttest.Fault { return checkouttest.ServerError() },
	"reset":         func(fault) checkouttest.Fault { return checkouttest.Reset() },
	"latency":       func(f fault) checkouttest.Fault { return checkouttest.Latency(f.duration()) },
}

func (f fault) duration() time.Duration { return time.Duration(f.Seconds * float64(time.Second)) }

// setFaults sets what goes wrong from now on. Errors: errInput.
func setFaults(test *checkouttest.Server, faults []fault) (err error) {
	var set []checkouttest.Fault
	for _, f := range faults {
		make, known := faultKinds[f.Kind]
		if !known {
			return fmt.Errorf("%w: there is no kind of fault %q", errInput, f.Kind)
		}
		one := make(f)
		if f.For != nil {
			one = one.For(f.For...)
		}
		if f.On != nil {
			one = one.On(f.On...)
		}
		if f.Chance != nil {
			one = one.Chance(f.Seed, *f.Chance)
		}
		if f.AfterWrite {
			one = one.AfterWrite()
		}
		set = append(set, one)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", errInput, err)
		}
	}()
	defer catch(&err)
	test.Faults(set...)
	return nil
}
