package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/pgxkit"
	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/pgxreserver"
	"github.com/gofulfil/fulfil/reservation/reservationtest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/pgxstore"
	"github.com/gofulfil/fulfil/store/storetest"
)

// openPgx creates an empty database with the tables of both backends, and opens a pool of at most that many connections. It skips
// the test if there is no PostgreSQL.
func openPgx(t testing.TB, conns int, options string) *pgxpool.Pool {
	t.Helper()
	for _, d := range All() {
		if d.Driver == "pgx" {
			pool := connectPgx(t, withOptions(d, options).Create(t), conns)
			require.NoError(t, pgxstore.Migrate(t.Context(), pool))
			require.NoError(t, pgxreserver.Migrate(t.Context(), pool))
			return pool
		}
	}
	t.Skip("there is no PostgreSQL")
	return nil
}

func connectPgx(t testing.TB, dsn string, conns int) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	require.NoError(t, err)
	config.MaxConns = int32(conns)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func empty(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	for _, table := range []string{
		"fulfil_orders", "fulfil_refs", "fulfil_terms", "fulfil_claims", "fulfil_values", "fulfil_held", "fulfil_holds", "fulfil_stock",
	} {
		_, err := pool.Exec(t.Context(), "DELETE FROM "+table)
		require.NoError(t, err)
	}
}

// pgxOwnTx runs transactions as those of the library's own code.
type pgxOwnTx struct{ *pgxstore.Store }

func (s pgxOwnTx) InTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return s.InOwnTx(ctx, nil, fn)
}

func TestPgxStore(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]string{
		"default": "", "simple protocol": "default_query_exec_mode=simple_protocol",
		"exec": "default_query_exec_mode=exec&timezone=Asia/Kolkata", "serializable": "default_transaction_isolation=serializable",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := openPgx(t, sqlstoreConns, options)
			storetest.Run(t, func(t *testing.T) store.Store[pgx.Tx] {
				empty(t, pool)
				return pgxstore.New(pool)
			})
		})
	}
	t.Run("InOwnTx", func(t *testing.T) {
		t.Parallel()
		pool := openPgx(t, sqlstoreConns, "")
		storetest.Run(t, func(t *testing.T) store.Store[pgx.Tx] {
			empty(t, pool)
			return pgxOwnTx{pgxstore.New(pool)}
		})
	})
}

func TestPgxReserver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		level   sql.IsolationLevel
		options string
	}{
		"default":         {},
		"serializable":    {level: sql.LevelSerializable},
		"simple protocol": {options: "default_query_exec_mode=simple_protocol"},
		"exec":            {options: "default_query_exec_mode=exec"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := openPgx(t, reserverConns, c.options)
			r := pgxreserver.New(pool)
			reservationtest.Run(t, func(t *testing.T) reservationtest.Subject[pgx.Tx] {
				empty(t, pool)
				return reservationtest.Subject[pgx.Tx]{
					Reserver: r,
					Stock:    r,
					InTx: func(ctx context.Context, fn func(tx pgx.Tx) error) error {
						return pgxkit.Pool{Pool: pool}.InTx(ctx, c.level, fn)
					},
				}
			})
		})
	}
}

// A merchant's own table keeps the stock as well as fulfil_stock does.
func TestPgxReserverOnAnotherTable(t *testing.T) {
	t.Parallel()
	pool := openPgx(t, reserverConns, "")
	_, err := pool.Exec(t.Context(), products[sqlkit.Postgres])
	require.NoError(t, err)
	r := pgxreserver.New(pool).WithTable("products")
	stock := productStock[pgx.Tx]{r, func(ctx context.Context, tx pgx.Tx, sku string, stocked int64) error {
		_, err := tx.Exec(ctx, sqlkit.Postgres.Rebind(insertProduct[sqlkit.Postgres]), sku, stocked)
		return err
	}}
	inTx := func(ctx context.Context, fn func(tx pgx.Tx) error) error {
		return pgxkit.Pool{Pool: pool}.InTx(ctx, sql.LevelDefault, fn)
	}
	reservationtest.Run(t, func(t *testing.T) reservationtest.Subject[pgx.Tx] {
		empty(t, pool)
		_, err := pool.Exec(t.Context(), "DELETE FROM products")
		require.NoError(t, err)
		return reservationtest.Subject[pgx.Tx]{Reserver: r, Stock: stock, InTx: inTx}
	})
	require.ErrorIs(t, inTx(t.Context(), func(tx pgx.Tx) error { return r.SetNew(t.Context(), tx, "no row", 5) }), reservation.ErrUnknownSKU)
	require.PanicsWithValue(t, `pgxreserver: the table "a;b": its name must consist of letters, digits and underscores, with at most one point`,
		func() { r.WithTable("a;b") })
}

// If a connection breaks before the commit, InTx runs its function again. A read works, too, if the pool gives it a dead connection.
func TestPgxStoreKilledConnection(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), openPgx(t, 2, "")
	st, runs := pgxstore.New(pool), 0
	kill := func(pid uint32) {
		_, err := pool.Exec(ctx, "SELECT pg_terminate_backend($1)", int64(pid))
		require.NoError(t, err)
	}
	require.NoError(t, st.InTx(ctx, func(tx pgx.Tx) error {
		runs++
		if runs == 1 {
			kill(tx.Conn().PgConn().PID())
		}
		_, err := st.Insert(ctx, tx, &store.Order{ID: "a"})
		return err
	}))
	require.Equal(t, 2, runs)
	first, err := pool.Acquire(ctx)
	require.NoError(t, err)
	pid := first.Conn().PgConn().PID()
	kill(pid)
	first.Release()
	_, err = st.Find(ctx, "a")
	require.NoError(t, err)
}

// A connection to a server that refuses to write is closed, so that the pool finds a server that writes.
func TestPgxStoreReadOnlyConnections(t *testing.T) {
	t.Parallel()
	const conns = 4
	ctx, pool := t.Context(), openPgx(t, conns, "")
	var old []*pgxpool.Conn
	for range conns {
		conn, err := pool.Acquire(ctx)
		require.NoError(t, err)
		_, err = conn.Exec(ctx, "SET default_transaction_read_only = on")
		require.NoError(t, err)
		old = append(old, conn)
	}
	for _, conn := range old {
		conn.Release()
	}
	st := pgxstore.New(pool)
	require.NoError(t, st.SetCursor(ctx, "events", "evt_1"))
}

// A callback that ends the transaction, or keeps the error that aborted it, is found out. What it wrote behind that is undone.
func TestPgxStoreEndedTransaction(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), openPgx(t, 4, "")
	st := pgxstore.New(pool)
	_, err := pool.Exec(ctx, "CREATE TABLE shipments (order_id text PRIMARY KEY)")
	require.NoError(t, err)
	for name, callback := range map[string]func(tx pgx.Tx){
		"Commit":   func(tx pgx.Tx) { require.NoError(t, tx.Commit(ctx)) },
		"COMMIT":   func(tx pgx.Tx) { _, _ = tx.Exec(ctx, "COMMIT") },
		"Rollback": func(tx pgx.Tx) { require.NoError(t, tx.Rollback(ctx)) },
		"ROLLBACK": func(tx pgx.Tx) { _, _ = tx.Exec(ctx, "ROLLBACK") },
		"error":    func(tx pgx.Tx) { _, _ = tx.Exec(ctx, "SELECT no_such_column") },
		"new":      func(tx pgx.Tx) { _, _ = tx.Exec(ctx, "COMMIT AND CHAIN") },
	} {
		t.Run(name, func(t *testing.T) {
			id := "order-" + name
			require.NoError(t, st.InTx(ctx, func(tx pgx.Tx) error {
				_, err := st.Insert(ctx, tx, &store.Order{ID: id})
				return err
			}))
			// As the Flow does: the callback, and then the record of it.
			record := func(tx pgx.Tx) error {
				orders, err := st.Lock(ctx, tx, id)
				if err != nil {
					return err
				}
				orders[0].Currency = "usd"
				return st.Save(ctx, tx, orders...)
			}
			require.Error(t, st.InOwnTx(ctx, func(tx pgx.Tx) error { callback(tx); return nil }, record))
			err := st.InTx(ctx, func(tx pgx.Tx) error {
				orders, err := st.Lock(ctx, tx, id)
				if err != nil {
					return err
				}
				callback(tx)
				orders[0].Currency = "eur"
				_ = st.Save(ctx, tx, orders...)
				return nil
			})
			require.ErrorIs(t, err, pgxstore.ErrTxEnded)
			o, err := st.Find(ctx, id)
			require.NoError(t, err)
			require.Empty(t, o.Currency, "what was saved after the end of the transaction must not be there")
		})
	}
	require.Equal(t, pool.Stat().TotalConns(), pool.Stat().IdleConns(), "every connection is back in the pool")
}

// A panic rolls back and gives the connection back.
func TestPgxStorePanic(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), openPgx(t, 1, "")
	st := pgxstore.New(pool)
	require.PanicsWithValue(t, "boom", func() {
		_ = st.InTx(ctx, func(tx pgx.Tx) error {
			_, err := st.Insert(ctx, tx, &store.Order{ID: "a"})
			require.NoError(t, err)
			panic("boom")
		})
	})
	_, err := st.Find(ctx, "a")
	require.ErrorIs(t, err, store.ErrNotFound)
}

// If the answer to a COMMIT is lost, the transaction may be committed, so it does not run again.
func TestPgxStoreLostCommit(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), openPgx(t, 2, "")
	st := pgxstore.New(pool)
	// A trigger that waits at the COMMIT for a lock that the test holds.
	for _, statement := range []string{
		"CREATE TABLE slow (id int)",
		`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$`,
		"CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()",
	} {
		_, err := pool.Exec(ctx, statement)
		require.NoError(t, err)
	}
	lock, err := pool.Acquire(ctx)
	require.NoError(t, err)
	defer lock.Release()
	_, err = lock.Exec(ctx, "SELECT pg_advisory_lock(7)")
	require.NoError(t, err)
	pids, done := make(chan uint32, 10), make(chan error, 1)
	go func() {
		done <- st.InTx(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO slow VALUES (1)")
			pids <- tx.Conn().PgConn().PID()
			return err
		})
	}()
	pid := int64(<-pids)
	waits := func() (yes bool) {
		query := "SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'"
		require.NoError(t, lock.QueryRow(ctx, query, pid).Scan(&yes))
		return yes
	}
	require.Eventually(t, waits, 30*time.Second, 5*time.Millisecond)
	_, err = lock.Exec(ctx, "SELECT pg_terminate_backend($1)", pid)
	require.NoError(t, err)
	select {
	case err := <-done:
		require.ErrorIs(t, err, store.ErrInDoubt)
	case <-pids:
		_, err = lock.Exec(ctx, "SELECT pg_advisory_unlock(7)")
		require.NoError(t, err)
		t.Fatal("a transaction that may be committed must not run again")
	}
}

// A pool of one connection can be migrated, and errors say what to do.
func TestPgxStoreMigrate(t *testing.T) {
	t.Parallel()
	pool := openPgx(t, 1, "")
	ctx := t.Context()
	require.NoError(t, pgxstore.Check(ctx, pool))
	require.NoError(t, pgxreserver.Check(ctx, pool))
	st := pgxstore.New(pool)
	_, err := pool.Exec(ctx, "DROP TABLE fulfil_terms")
	require.NoError(t, err)
	require.ErrorContains(t, pgxstore.Check(ctx, pool), "table fulfil_terms or one of its columns")
	err = st.InTx(ctx, func(tx pgx.Tx) error {
		_, err := st.Insert(ctx, tx, &store.Order{ID: "a", Customer: store.Customer{ID: "cus_1"}})
		return err
	})
	require.ErrorContains(t, err, "run Migrate on this database")
	require.True(t, strings.HasPrefix(err.Error(), "pgxstore: "), fmt.Sprint(err))
}
