// Package turns lets a simulation have goroutines that were woken at one time go on one after another. Otherwise, nobody decides
// which of them is first, and no history could be replayed.
package turns

import "context"

type key struct{}

// Wait holds up a goroutine that has waited for something until its turn, and returns the error of its context.
type Wait func(ctx context.Context, what string) error

// Context returns a context whose goroutines wait for their turns.
func Context(ctx context.Context, wait Wait) context.Context {
	return context.WithValue(ctx, key{}, wait)
}

// Take is called by a goroutine that was woken just now, and returns the error of its context. If somebody gives turns with ctx, Take
// waits for one.
func Take(ctx context.Context, what string) error {
	if wait, ok := ctx.Value(key{}).(Wait); ok {
		return wait(ctx, what)
	}
	return ctx.Err()
}
