package checkout_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// Begin, Cancel, payments and sweeps of two processes at once leave the books in order.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	for range 30 {
		s := newShop(t)
		other, _ := s.process()
		flows := []*checkout.Flow[tx]{s.flow, other}
		ctx := context.Background()
		var mu sync.Mutex
		var ids []string
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				f := flows[i%2]
				var st *checkout.Started
				var err error
				switch i % 8 {
				case 0, 1:
					st, err = f.Begin(ctx, cartOf("order-1", "tee"))
				case 2, 3:
					st, err = f.Begin(ctx, cartOf("order-1", "tee", "last"))
				case 4:
					_, _ = f.Sweep(ctx)
				case 5:
					mu.Lock()
					var id string
					if len(ids) > 0 {
						id = ids[len(ids)-1]
					}
					mu.Unlock()
					if id != "" {
						_ = s.srv.Pay(id, checkouttest.CardOK)
					}
				case 6:
					if i > 8 {
						_ = f.Cancel(ctx, "order-1")
					}
				case 7:
					st, err = f.Begin(ctx, cartOf("order-2", "last"))
				}
				if err == nil && st != nil {
					mu.Lock()
					ids = append(ids, st.SessionID)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		s.srv.Flush()
		for range 30 {
			s.srv.Advance(time.Hour)
			_, err := s.flow.Sweep(ctx)
			require.NoError(t, err)
		}
		sold := map[string]int64{}
		for _, id := range []string{"order-1", "order-2"} {
			o, err := s.flow.Order(ctx, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			require.True(t, o.DueAt.IsZero())
			if o.Paid() {
				require.Equal(t, 1, s.shipments(id))
				for _, l := range o.Lines {
					sold[l.SKU] += l.Quantity
				}
			}
		}
		s.requireStock("tee", 5-sold["tee"], 0, sold["tee"])
		s.requireStock("last", 1-sold["last"], 0, sold["last"])
	}
}
