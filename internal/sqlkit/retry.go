package sqlkit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// conflictTries is how often a transaction is run before InTx returns its conflict. PostgreSQL finds a deadlock only after
	// deadlock_timeout; until then, transactions that are run again meet the same deadlock.
	conflictTries = 30
	// conflictTime is after how long InTx returns a conflict even before conflictTries: each wait for a lock may be long.
	conflictTime = time.Minute
	// The pause before a repetition doubles from the first to the longest. A random part of it, up to all, is left out, so that
	// transactions that collided do not meet again.
	firstConflictPause   = 2 * time.Millisecond
	longestConflictPause = 250 * time.Millisecond

	// outageTime is how long a database is tried that can't be reached or can't write: a standby takes over in less.
	outageTime = 30 * time.Second
	// startTime is the same for Check and Migrate, which run when a program starts: a wrong address is soon known.
	startTime = 5 * time.Second
	// The pause doubles from the first to the longest. Up to a quarter of it is left out at random.
	firstOutagePause   = 10 * time.Millisecond
	longestOutagePause = time.Second
)

var (
	// ErrConflict is matched by the error of a transaction that collided with others in all of its tries.
	ErrConflict = errors.New("transaction gave up")
	// ErrUnavailable is matched by the error of a database that failed for as long as it was tried.
	ErrUnavailable = errors.New("the database failed")
	// ErrInDoubt is matched by the error of a transaction whose COMMIT was sent and not answered.
	ErrInDoubt = errors.New("the answer to the COMMIT was lost")
)

// Retry runs fn until it succeeds or fails for good. It runs fn again after two kinds of failure, with growing pauses:
//
//   - A conflict with another transaction: up to 30 times within a minute. Statements outside of transactions need that, too: at
//     SERIALIZABLE the database may refuse even a statement that only reads.
//   - A database that can't be reached, broke the connection, refuses to write, as during a restart or a failover, or whose disk is
//     full: for half a minute. Then the error matches [ErrUnavailable].
//
// Retry never runs fn again if the answer to a COMMIT was lost: that transaction may be committed.
func Retry(ctx context.Context, fn func() error) error { return retry(ctx, outageTime, fn) }

// retry is Retry with another limit for outages.
func retry(ctx context.Context, outageTime time.Duration, fn func() error) error {
	began := time.Now()
	conflicts, outages := 0, 0
	var outageBegan time.Time
	for {
		err := fn()
		var wait time.Duration
		switch {
		case err == nil || isFinal(err):
			return err
		case isConflict(err):
			conflicts++
			if conflicts == conflictTries || time.Since(began) > conflictTime {
				return fmt.Errorf("%w after %d tries: %w", ErrConflict, conflicts, err)
			}
			wait = rand.N(doubled(firstConflictPause, longestConflictPause, conflicts))
		case isOutage(err):
			outages++
			if outages == 1 {
				outageBegan = time.Now()
			}
			wait = doubled(firstOutagePause, longestOutagePause, outages)
			wait -= rand.N(wait / 4)
			if tried := time.Since(outageBegan); tried+wait > outageTime {
				return fmt.Errorf("%w %d times in %v: %w", ErrUnavailable, outages, tried.Round(time.Second), err)
			}
		default:
			return err
		}
		if ended := pause(ctx, wait); ended != nil {
			return errors.Join(ended, err)
		}
	}
}

// doubled returns first, doubled for each repetition after the first one, and at most longest.
func doubled(first, longest time.Duration, repetition int) time.Duration {
	return min(first<<min(repetition-1, 20), longest) // the shift must not overflow
}

// pause waits for d. If the context ends earlier, pause returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// finalError is an error after which Retry does not run its function again, even if it wraps a conflict or an outage.
type finalError struct{ err error }

func (e finalError) Error() string { return e.err.Error() }
func (e finalError) Unwrap() error { return e.err }

// isFinal reports whether err is or wraps a finalError.
func isFinal(err error) bool {
	var final finalError
	return errors.As(err, &final)
}
