package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

const (
	hotSKU     = "hot"
	soldOutSKU = "gone"
	plenty     = 1_000_000_000
	batchSize  = 32
)

// The names of the contenders. Floors have names of their own.
const (
	oursName   = "fulfil"
	pgxName    = "fulfil on pgx"
	hand64Name = "by hand, 64"
	handName   = "by hand, best pool"
	updateName = "one-row update"
	readName   = "SELECT"
	batchName  = "batch of 32 rows"
)

// row is one line of the table.
type row struct {
	name       string
	contenders []*contender
	bounds     []bound
}

// bound is how many times as fast as another contender fulfil is to be.
type bound struct {
	than  string // the name of the other contender; [betterHand]: the faster one by hand
	least float64
}

// betterHand stands for the faster of the two contenders by hand.
const betterHand = "by hand, the better"

// bench has the shops of one database.
type bench struct {
	d                       *database
	pools                   []*sql.DB
	ours, prepareOurs       *ours
	pgx                     *ours // nil: the database has no pgx
	pgxPool                 *pgxpool.Pool
	hand64, hand            *byHand
	rowPools                []*sql.DB // that the flash sale does not need
	prepareHand             *byHand
	floor                   *sql.DB
	skus                    []string // a thousand, apart from tests
	callers, prepared, best int
	n                       atomic.Int64
}

// newBench makes the shops and their stock.
func newBench(ctx context.Context, d *database, o *options) (b *bench, err error) {
	best := o.best
	if d.dialect == sqlstore.SQLite {
		best = 1 // SQLite has one writer
	}
	b = &bench{d: d, callers: o.callers, prepared: o.prepared, best: best}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	open := func(conns int) *sql.DB {
		db, openErr := d.open(conns)
		if openErr != nil {
			err = errors.Join(err, openErr)
			return nil
		}
		b.pools = append(b.pools, db)
		err = errors.Join(err, warm(ctx, db))
		return db
	}
	direct, err := d.openDirect()
	if err != nil {
		return nil, err
	}
	b.pools = append(b.pools, direct)
	oursPool, hand64Pool, handPool := open(o.pool), open(64), open(best)
	b.rowPools = []*sql.DB{oursPool, hand64Pool, handPool}
	if b.floor = open(best); err != nil {
		return b, err
	}
	if err := errors.Join(migrateOurs(ctx, d, direct), migrateByHand(ctx, direct)); err != nil {
		return b, err
	}
	stub := &stubStripe{}
	if b.ours, err = newOurs(d, oursPool, stub); err != nil {
		return b, err
	}
	if b.prepareOurs, err = newOurs(d, direct, stub); err != nil {
		return b, err
	}
	if d.dialect == sqlstore.Postgres {
		if b.pgxPool, err = d.openPgx(ctx, o.pool); err != nil {
			return b, err
		}
		if b.pgx, err = newOursOnPgx(d, b.pgxPool, stub); err != nil {
			return b, err
		}
	}
	b.hand64, b.hand, b.prepareHand = newByHand(d, hand64Pool, stub), newByHand(d, handPool, stub), newByHand(d, direct, stub)
	for i := range o.skus {
		b.skus = append(b.skus, fmt.Sprintf("sku-%03d", i))
	}
	shelves := append([]string{hotSKU}, b.skus...)
	err = errors.Join(
		b.prepareOurs.stock(ctx, plenty, shelves...), b.prepareOurs.stock(ctx, 0, soldOutSKU),
		b.prepareHand.stock(ctx, plenty, shelves...), b.prepareHand.stock(ctx, 0, soldOutSKU))
	if err == nil {
		_, err = b.prepareOurs.begin(ctx, b.id("order"), hotSKU) // a shop without any session looks for one at each Begin
	}
	return b, err
}

func (b *bench) close() {
	if b.pgxPool != nil {
		b.pgxPool.Close()
	}
	for _, db := range b.pools {
		_ = db.Close()
	}
}

// id is one that no other operation has.
func (b *bench) id(prefix string) string { return fmt.Sprintf("%s-%d", prefix, b.n.Add(1)) }

// three are different SKUs, sorted.
func (b *bench) three() []string {
	picked := map[string]bool{}
	for len(picked) < 3 {
		picked[b.skus[rand.IntN(len(b.skus))]] = true
	}
	var skus []string
	for sku := range picked {
		skus = append(skus, sku)
	}
	slices.Sort(skus)
	return skus
}

func (b *bench) contender(name string, op func(ctx context.Context) error) *contender {
	return &contender{name: name, callers: b.callers, each: 1, op: op}
}

// hands are the two contenders by hand of the same operation.
func (b *bench) hands(op func(h *byHand) func(ctx context.Context) error) []*contender {
	return []*contender{b.contender(hand64Name, op(b.hand64)), b.contender(handName, op(b.hand))}
}

// rows are the lines of the table, in its order.
func (b *bench) rows() []*row {
	begin := func(o *ours) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			_, err := o.begin(ctx, b.id("order"), hotSKU)
			return err
		}
	}
	beginByHand := func(h *byHand) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			_, err := h.begin(ctx, b.id("order"), hotSKU)
			return err
		}
	}
	hold := func(skus func() []string) func(h *byHand) func(ctx context.Context) error {
		return func(h *byHand) func(ctx context.Context) error {
			return func(ctx context.Context) error { return h.hold(ctx, b.id("order"), skus()...) }
		}
	}
	hot := func() []string { return []string{hotSKU} }
	update, batch := b.contender(updateName, b.update), b.contender(batchName, b.batch)
	batch.each, batch.callers = batchSize, 1
	return []*row{
		b.row("Begin of one hot SKU", b.beginBounds(), begin, b.hands(beginByHand), update),
		b.row("hold alone, one in a transaction", nil, b.holdOne(hot), b.hands(hold(hot)), update),
		inBatches(b.row("hold alone, 32 in a transaction", b.holdBounds(), b.holdBatch(hot), b.hands(hold(hot)), update, batch)),
		inBatches(b.row("hold of three SKUs of a thousand, 32 in a transaction", b.threeBounds(), b.holdBatch(b.three), b.hands(hold(b.three)), batch)),
		b.row("sold out", []bound{{readName, 0.5}}, func(o *ours) func(ctx context.Context) error {
			return func(ctx context.Context) error { return o.beginSoldOut(ctx, b.id("order"), soldOutSKU) }
		}, b.hands(func(h *byHand) func(ctx context.Context) error {
			return func(ctx context.Context) error { return h.beginSoldOut(ctx, b.id("order"), soldOutSKU) }
		}), b.contender(readName, b.read)),
		b.webhooks("webhook to fulfilled", "paid", bound{betterHand, 0.6}),
		b.webhooks("settling alone", "unpaid", bound{betterHand, 4}),
		b.statusRow(),
		alone(b.row("Begin, one caller alone", nil, begin, b.hands(beginByHand), b.contender(updateName, b.update))),
	}
}

// beginBounds are wider if the database is far: by hand, each round trip of a transaction is one during which the row is locked.
func (b *bench) beginBounds() []bound {
	switch {
	case b.d.dialect != sqlstore.Postgres:
		return nil
	case b.d.roundTrip > 0:
		return []bound{{handName, 15}}
	}
	return []bound{{handName, 3}}
}

func (b *bench) holdBounds() []bound {
	switch b.d.dialect {
	case sqlstore.Postgres:
		return []bound{{hand64Name, 25}, {handName, 12}, {updateName, 4}, {batchName, 0.7}}
	case sqlstore.MySQL:
		return []bound{{betterHand, 10}}
	}
	return []bound{{handName, 3.5}}
}

func (b *bench) threeBounds() []bound {
	if b.d.dialect != sqlstore.Postgres {
		return nil
	}
	return []bound{{betterHand, 10}}
}

// row has the shops of fulfil that the database has, those by hand, and floors.
func (b *bench) row(name string, bounds []bound, of func(o *ours) func(context.Context) error, hands []*contender, floors ...*contender) *row {
	r := &row{name: name, bounds: bounds, contenders: []*contender{b.contender(oursName, of(b.ours))}}
	if b.pgx != nil {
		r.contenders = append(r.contenders, b.contender(pgxName, of(b.pgx)))
	}
	r.contenders = append(append(r.contenders, hands...), floors...)
	return r
}

// inBatches has fulfil do its work for a batch at once, as the Flow does for all callers that wait: one transaction at a time.
func inBatches(r *row) *row {
	for _, c := range r.contenders {
		if c.name == oursName || c.name == pgxName {
			c.each, c.callers = batchSize, 1
		}
	}
	return r
}

// alone has one caller do the work.
func alone(r *row) *row {
	for _, c := range r.contenders {
		c.callers = 1
	}
	return r
}

func (b *bench) holdOf(skus []string) reservation.Hold {
	h := reservation.Hold{ID: b.id("hold")}
	for _, sku := range skus {
		h.Lines = append(h.Lines, reservation.Line{SKU: sku, Quantity: 1})
	}
	return h
}

func (b *bench) holdOne(skus func() []string) func(o *ours) func(ctx context.Context) error {
	return func(o *ours) func(ctx context.Context) error {
		return func(ctx context.Context) error { return o.hold(ctx, b.holdOf(skus())) }
	}
}

func (b *bench) holdBatch(skus func() []string) func(o *ours) func(ctx context.Context) error {
	return func(o *ours) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			var holds []reservation.Hold
			for range batchSize {
				holds = append(holds, b.holdOf(skus()))
			}
			return o.hold(ctx, holds...)
		}
	}
}

// update is what pgbench calls a simple update, of the same row for all callers.
func (b *bench) update(ctx context.Context) error {
	_, err := b.floor.ExecContext(ctx, "UPDATE floor_counter SET n = n + 1 WHERE id = 1")
	return err
}

func (b *bench) read(ctx context.Context) error {
	var n int64
	return b.floor.QueryRowContext(ctx, "SELECT n FROM floor_counter WHERE id = 1").Scan(&n)
}

// batch is one transaction that updates the hot row and inserts 32 rows in one statement.
func (b *bench) batch(ctx context.Context) error {
	tx, err := b.floor.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	if _, err := tx.ExecContext(ctx, "UPDATE floor_counter SET n = n + 32 WHERE id = 1"); err != nil {
		return err
	}
	var ids []any
	for range batchSize {
		ids = append(ids, b.id("row"))
	}
	insert := "INSERT INTO floor_rows (id, n) VALUES " + strings.TrimSuffix(strings.Repeat("(?, 1), ", batchSize), ", ")
	if _, err := tx.ExecContext(ctx, b.d.sqlText(insert), ids...); err != nil {
		return err
	}
	return tx.Commit()
}

// webhooks is a row of deliveries about orders that were begun before the round.
func (b *bench) webhooks(name, paymentStatus string, of bound) *row {
	r := &row{name: name, bounds: []bound{of}}
	add := func(contender string, h http.Handler, begin func(ctx context.Context, orderID string, skus ...string) (string, error)) {
		var requests queue[*http.Request]
		c := b.contender(contender, func(context.Context) error {
			request, ok := requests.next()
			if !ok {
				return errExhausted
			}
			return serve(h, request)
		})
		c.prepare = func(ctx context.Context) error {
			prepared := make([]*http.Request, b.prepared)
			err := atOnce(b.prepared, func(i int) error {
				session, err := begin(ctx, b.id("order"), b.skus[i%len(b.skus)])
				if err == nil {
					prepared[i] = delivery(event(b.id("evt"), session, paymentStatus))
				}
				return err
			})
			requests.refill(prepared)
			return err
		}
		r.contenders = append(r.contenders, c)
	}
	add(oursName, b.ours.hook, b.prepareOurs.begin)
	if b.pgx != nil {
		add(pgxName, b.pgx.hook, b.prepareOurs.begin)
	}
	add(hand64Name, b.hand64, b.prepareHand.begin)
	add(handName, b.hand, b.prepareHand.begin)
	r.contenders = append(r.contenders, b.contender(updateName, b.update))
	return r
}

// statusRow reads the status of orders that are settled.
func (b *bench) statusRow() *row {
	var oursSession, handSession string
	var once sync.Once
	prepare := func(ctx context.Context) (err error) {
		once.Do(func() {
			if oursSession, err = b.prepareOurs.begin(ctx, b.id("order"), hotSKU); err != nil {
				return
			}
			if handSession, err = b.prepareHand.begin(ctx, b.id("order"), hotSKU); err != nil {
				return
			}
			err = errors.Join(
				serve(b.prepareOurs.hook, delivery(event(b.id("evt"), oursSession, "paid"))),
				serve(b.prepareHand, delivery(event(b.id("evt"), handSession, "paid"))))
		})
		return err
	}
	hand64, hand := b.hand64.statusHandler(), b.hand.statusHandler()
	r := b.row("status of a settled order", []bound{{betterHand, 0.5}}, func(o *ours) func(context.Context) error {
		return func(context.Context) error { return getStatus(o.status, oursSession) }
	}, []*contender{
		b.contender(hand64Name, func(context.Context) error { return getStatus(hand64, handSession) }),
		b.contender(handName, func(context.Context) error { return getStatus(hand, handSession) }),
	}, b.contender(readName, b.read))
	for _, c := range r.contenders {
		c.prepare = prepare
	}
	return r
}

// queue hands out each of its elements once.
type queue[T any] struct {
	mu  sync.Mutex
	all []T
}

func (q *queue[T]) refill(all []T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all = all
}

func (q *queue[T]) next() (element T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.all) == 0 {
		return element, false
	}
	element, q.all = q.all[0], q.all[1:]
	return element, true
}
