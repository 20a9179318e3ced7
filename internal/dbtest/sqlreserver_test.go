package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/reservationtest"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
)

const reserverConns = 8

func TestSQLReserver(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		runReservationtest(t, d, sql.LevelDefault)
	})
}

// At SERIALIZABLE a database answers with a conflict where it would otherwise wait.
func TestSQLReserverSerializable(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		if d.Driver != "pgx" && d.Driver != "mysql" {
			t.Skip("once per server is enough")
		}
		t.Parallel()
		runReservationtest(t, d, sql.LevelSerializable)
	})
}

// At READ COMMITTED, MySQL locks no gaps.
func TestSQLReserverReadCommitted(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		if d.Driver != "mysql" {
			t.Skip("PostgreSQL has this level by default, and SQLite does not have it")
		}
		t.Parallel()
		runReservationtest(t, d, sql.LevelReadCommitted)
	})
}

func runReservationtest(t *testing.T, d Database, level sql.IsolationLevel) {
	db := openReserver(t, d, reserverConns) // one for all checks: making a database takes longer than a check
	r := sqlreserver.New(d.Dialect).WithDB(db)
	reservationtest.Run(t, func(t *testing.T) reservationtest.Subject[*sql.Tx] {
		emptyReserver(t, db)
		return reservationtest.Subject[*sql.Tx]{
			Reserver: r,
			Stock:    r,
			InTx: func(ctx context.Context, fn func(tx *sql.Tx) error) error {
				return sqlkit.SQL{DB: db, Dialect: d.Dialect}.InTx(ctx, level, fn)
			},
		}
	})
}

// Held counts the units of all SKUs that are held, and not those that were sold or given back.
func TestSQLReserverHeld(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		r := newReserver(t, d, reserverConns)
		held := func() (units int64) {
			units, err := r.WithDB(r.db).Held(t.Context())
			require.NoError(t, err)
			return units
		}
		_, err := r.Held(t.Context())
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.Zero(t, held())
		r.set(t, 10, "cup", "tee")
		for _, h := range []reservation.Hold{holdOf("h1", 2, "cup", "tee"), holdOf("h2", 3, "tee"), holdOf("h3", 1, "cup")} {
			refusals, err := r.hold(h)
			require.NoError(t, errors.Join(append(refusals, err)...))
		}
		require.Equal(t, int64(8), held())
		_, err = r.commit("h1")
		require.NoError(t, err)
		_, err = r.release("h2")
		require.NoError(t, err)
		require.Equal(t, int64(1), held())
	})
}

// openReserver opens a new, migrated database.
func openReserver(t testing.TB, d Database, conns int) *sql.DB {
	t.Helper()
	db := d.Open(t, conns)
	if err := sqlreserver.Migrate(context.Background(), db, d.Dialect); err != nil {
		t.Fatal(err)
	}
	return db
}

func emptyReserver(t testing.TB, db *sql.DB) {
	t.Helper()
	for _, table := range []string{"fulfil_held", "fulfil_holds", "fulfil_stock"} {
		if _, err := db.Exec("DELETE FROM " + table); err != nil {
			t.Fatal(err)
		}
	}
}

// products are the tables of a merchant who keeps stock beside other columns. No other column has a default.
var products = map[sqlkit.Dialect]string{
	sqlkit.Postgres: `CREATE TABLE products (sku text COLLATE "C" PRIMARY KEY, title text NOT NULL,
		stocked bigint NOT NULL, taken bigint NOT NULL, CHECK (taken >= 0 AND taken <= stocked))`,
	sqlkit.MySQL: `CREATE TABLE products (sku VARBINARY(255) PRIMARY KEY, title VARCHAR(99) NOT NULL,
		stocked BIGINT NOT NULL, taken BIGINT NOT NULL, CHECK (taken >= 0 AND taken <= stocked))`,
	sqlkit.SQLite: `CREATE TABLE products (sku TEXT PRIMARY KEY, title TEXT NOT NULL,
		stocked INTEGER NOT NULL, taken INTEGER NOT NULL, CHECK (taken >= 0 AND taken <= stocked))`,
}

// insertProduct inserts a product that is not there yet.
var insertProduct = map[sqlkit.Dialect]string{
	sqlkit.Postgres: `INSERT INTO products (sku, title, stocked, taken) VALUES (?, 'T-shirt', ?, 0) ON CONFLICT (sku) DO NOTHING`,
	sqlkit.MySQL:    `INSERT INTO products (sku, title, stocked, taken) VALUES (?, 'T-shirt', ?, 0) ON DUPLICATE KEY UPDATE sku = sku`,
	sqlkit.SQLite:   `INSERT INTO products (sku, title, stocked, taken) VALUES (?, 'T-shirt', ?, 0) ON CONFLICT (sku) DO NOTHING`,
}

// fullStock is all that the Reservers of this module can do with stock.
type fullStock[Tx any] interface {
	reservationtest.Admin[Tx]
	reservationtest.NewStock[Tx]
}

// productStock is the stock of a merchant's table. It inserts the products, as the Reserver does not.
type productStock[Tx any] struct {
	fullStock[Tx]
	insert func(ctx context.Context, tx Tx, sku string, stocked int64) error
}

func (p productStock[Tx]) Set(ctx context.Context, tx Tx, sku string, onHand int64) error {
	if reservation.ValidID(sku) {
		if err := p.insert(ctx, tx, sku, 0); err != nil {
			return err
		}
	}
	return p.fullStock.Set(ctx, tx, sku, onHand)
}

func (p productStock[Tx]) SetNew(ctx context.Context, tx Tx, sku string, onHand int64) error {
	if reservation.ValidID(sku) && onHand >= 0 {
		if err := p.insert(ctx, tx, sku, onHand); err != nil {
			return err
		}
	}
	return p.fullStock.SetNew(ctx, tx, sku, onHand)
}

// A merchant's own table keeps the stock as well as fulfil_stock does.
func TestSQLReserverOnAnotherTable(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		db := openReserver(t, d, reserverConns)
		_, err := db.Exec(products[d.Dialect])
		require.NoError(t, err)
		r := sqlreserver.New(d.Dialect).WithDB(db).WithTable("products")
		stock := productStock[*sql.Tx]{r, func(ctx context.Context, tx *sql.Tx, sku string, stocked int64) error {
			_, err := tx.ExecContext(ctx, d.Dialect.Rebind(insertProduct[d.Dialect]), sku, stocked)
			return err
		}}
		inTx := func(ctx context.Context, fn func(tx *sql.Tx) error) error {
			return sqlkit.SQL{DB: db, Dialect: d.Dialect}.InTx(ctx, sql.LevelDefault, fn)
		}
		reservationtest.Run(t, func(t *testing.T) reservationtest.Subject[*sql.Tx] {
			emptyReserver(t, db)
			_, err := db.Exec("DELETE FROM products")
			require.NoError(t, err)
			return reservationtest.Subject[*sql.Tx]{Reserver: r, Stock: stock, InTx: inTx}
		})
		for name, set := range map[string]func(ctx context.Context, tx *sql.Tx, sku string, onHand int64) error{"Set": r.Set, "SetNew": r.SetNew} {
			err := inTx(t.Context(), func(tx *sql.Tx) error { return set(t.Context(), tx, "no row", 5) })
			require.ErrorIs(t, err, reservation.ErrUnknownSKU, name)
		}
	})
}
