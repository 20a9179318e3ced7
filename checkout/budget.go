package checkout

import (
	"context"
	"iter"

	"github.com/stripe/stripe-go/v82"
)

// budget is the number of requests to Stripe that are left to a sweep. It is negative once a request was not made for it.
type budget struct{ left int }

// take reports whether one more request may be made.
func (b *budget) take() bool {
	b.left--
	return b.left >= 0
}

// pageSize is how many objects are asked for at a time, the most that Stripe answers (https://docs.stripe.com/api/pagination).
const pageSize = 100

// within lists objects, pageSize with each request, for as long as there are requests left.
func within[P, T any](ctx context.Context, b *budget, list func(context.Context, P) stripe.Seq2[T, error], params P) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if !b.take() {
			return
		}
		n := 0
		for object, err := range list(ctx, params) {
			if !yield(object, err) {
				return
			}
			if n++; n%pageSize == 0 && !b.take() {
				return
			}
		}
	}
}
