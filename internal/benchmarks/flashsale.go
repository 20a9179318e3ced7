package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/reservation"
)

// sale is a flash sale: many buyers for few items, who come within some seconds to three processes. Those who get an item pay after
// some time. The processes are three shops with pools and Stripe clients of their own in this one process.
type sale struct {
	buyers, items int
	within        time.Duration // all buyers come
	paying        time.Duration // at most
}

const (
	saleSKU   = "sale"
	processes = 3
)

// saleResult is how a flash sale went.
type saleResult struct {
	took           time.Duration // until every buyer had an answer and every webhook was answered
	buyers         []time.Duration
	webhooks       []time.Duration
	sold, requests int
	failures       int
	failure        error
}

// saleShop is one process of a shop.
type saleShop struct {
	begin func(ctx context.Context, orderID string, skus ...string) (sessionID string, err error)
	hook  http.Handler
}

// runSale has all buyers come. soldOut tells a buyer's refusal from a failure.
func (s sale) runSale(ctx context.Context, shops []saleShop, soldOut func(error) bool, prefix string) *saleResult {
	r := &saleResult{}
	var mu sync.Mutex
	fail := func(err error) {
		r.failures, r.failure = r.failures+1, err
	}
	buyer := func(i int) {
		time.Sleep(time.Duration(rand.Int64N(int64(s.within))))
		shop := shops[i%len(shops)]
		began := time.Now()
		session, err := shop.begin(ctx, fmt.Sprintf("%s-%d", prefix, i), saleSKU)
		took := time.Since(began)
		mu.Lock()
		r.buyers = append(r.buyers, took)
		if err != nil && !soldOut(err) {
			fail(err)
		}
		mu.Unlock()
		if err != nil {
			return
		}
		time.Sleep(time.Duration(rand.Int64N(int64(s.paying))))
		request := delivery(event(fmt.Sprintf("evt-%s-%d", prefix, i), session, "paid"))
		began = time.Now()
		err = serve(shops[(i+1)%len(shops)].hook, request) // the webhook comes to any process
		took = time.Since(began)
		mu.Lock()
		defer mu.Unlock()
		r.webhooks = append(r.webhooks, took)
		if err != nil {
			fail(err)
		}
	}
	began := time.Now()
	var all sync.WaitGroup
	for i := range s.buyers {
		all.Go(func() { buyer(i) })
	}
	all.Wait()
	r.took = time.Since(began)
	return r
}

// flashSale runs the sale with fulfil, and then by hand. Each process of fulfil has a pool of that many connections.
func flashSale(ctx context.Context, b *bench, s sale, pool int) (fulfil, hand *saleResult, err error) {
	for _, db := range b.rowPools {
		_ = db.Close() // servers allow few connections
	}
	if b.pgxPool != nil {
		b.pgxPool.Close()
	}
	if err := errors.Join(
		b.prepareOurs.stock(ctx, int64(s.items), saleSKU), b.prepareHand.stock(ctx, int64(s.items), saleSKU)); err != nil {
		return nil, nil, err
	}
	oursStub, handStub := &stubStripe{}, &stubStripe{}
	oursStub.created.Store(1 << 40) // the sessions of the rows were created by another stub
	handStub.created.Store(1 << 41)
	var oursShops, handShops []saleShop
	for range processes {
		for _, one := range []struct {
			conns int
			add   func(db *sql.DB) error
		}{
			{pool, func(db *sql.DB) error {
				shop, err := newOurs(b.d, db, oursStub)
				if err == nil {
					oursShops = append(oursShops, saleShop{shop.begin, shop.hook})
				}
				return err
			}},
			{b.best, func(db *sql.DB) error {
				shop := newByHand(b.d, db, handStub)
				handShops = append(handShops, saleShop{shop.begin, shop})
				return nil
			}},
		} {
			db, err := b.d.open(one.conns)
			if err != nil {
				return nil, nil, err
			}
			b.pools = append(b.pools, db)
			if err := warm(ctx, db); err != nil {
				return nil, nil, err
			}
			if err := one.add(db); err != nil {
				return nil, nil, err
			}
		}
	}
	short := func(err error) bool {
		var shortage *reservation.ShortageError
		return errors.As(err, &shortage)
	}
	fulfil = s.runSale(ctx, oursShops, short, "ours")
	hand = s.runSale(ctx, handShops, func(err error) bool { return errors.Is(err, errSoldOut) }, "hand")
	fulfil.requests, hand.requests = int(oursStub.requests.Load()), int(handStub.requests.Load())
	if fulfil.sold, err = b.count(ctx, "SELECT COUNT(*) FROM our_shipments WHERE order_id LIKE 'ours-%'"); err != nil {
		return nil, nil, err
	}
	if hand.sold, err = b.count(ctx, "SELECT COUNT(*) FROM hand_shipments WHERE order_id LIKE 'hand-%'"); err != nil {
		return nil, nil, err
	}
	return fulfil, hand, nil
}

func (b *bench) count(ctx context.Context, query string) (n int, err error) {
	return n, b.floor.QueryRowContext(ctx, query).Scan(&n)
}
