package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// worksStore fails unless an order can be stored in the database and found again.
func worksStore(t *testing.T, db *sql.DB, d Database, id string) {
	t.Helper()
	st := sqlstore.New(db, d.Dialect)
	err := st.InTx(t.Context(), func(tx *sql.Tx) error {
		o := &store.Order{ID: id, Attempts: []store.Attempt{{SessionID: "cs_" + id}}}
		if _, err := st.Insert(t.Context(), tx, o); err != nil {
			return err
		}
		_, err := st.Claim(t.Context(), tx, o.CreatedAt, "evt_"+id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.FindRef(t.Context(), "cs_"+id); err != nil {
		t.Fatal(err)
	}
	if err := st.SetCursor(t.Context(), "events", id); err != nil {
		t.Fatal(err)
	}
}

func TestSQLStoreMigrateAtOnce(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		dsn := d.Create(t)
		var wg sync.WaitGroup
		for range 10 {
			db := d.Connect(t, dsn, 2) // a pool for each, as processes have
			wg.Go(func() {
				for range 2 {
					if err := sqlstore.Migrate(t.Context(), db, d.Dialect); err != nil {
						t.Errorf("one of ten that migrate at once: %v", err)
					}
				}
			})
		}
		wg.Wait()
		worksStore(t, d.Connect(t, dsn, 2), d, "a")
	})
}

// The environment of a child process that migrates: the name of a database and its DSN.
const (
	migrateName = "FULFIL_TEST_MIGRATE_NAME"
	migrateDSN  = "FULFIL_TEST_MIGRATE_DSN"
)

func TestSQLStoreMigrateProcess(t *testing.T) {
	if os.Getenv(migrateDSN) == "" {
		t.Skip("TestSQLStoreMigrateInProcesses runs this test in a process of its own")
	}
	for _, d := range All() {
		if d.Name == os.Getenv(migrateName) {
			migrateStore(t, d.Connect(t, os.Getenv(migrateDSN), 1), d)
		}
	}
}

func TestSQLStoreMigrateInProcesses(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		dsn := d.Create(t)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSQLStoreMigrateProcess$")
				child.Env = append(os.Environ(), migrateName+"="+d.Name, migrateDSN+"="+dsn)
				if out, err := child.CombinedOutput(); err != nil {
					t.Errorf("one of four processes that migrate at once: %v\n%s", err, out)
				}
			})
		}
		wg.Wait()
		worksStore(t, d.Connect(t, dsn, 2), d, "a")
	})
}

// On MySQL every statement commits by itself. After a crash some statements have run, and the last of them may not be recorded.
func TestSQLStoreMigrateResumes(t *testing.T) {
	tables := []string{"fulfil_orders", "fulfil_refs", "fulfil_claims", "fulfil_values"}
	for _, d := range All() {
		if d.Dialect != sqlkit.MySQL {
			continue
		}
		for done := range len(tables) + 1 {
			for _, allRecorded := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%d done, all recorded %t", d.Name, done, allRecorded), func(t *testing.T) {
					db := d.Open(t, 2)
					migrateStore(t, db, d)
					records := done
					if !allRecorded {
						records = max(done-1, 0)
					}
					// The index of version 2 and the column of version 5 exist as long as their tables do, but they were not recorded.
					mustExec(t, db, "DELETE FROM fulfil_schema WHERE version > 1 OR statement > ?", records)
					for _, table := range tables[done:] {
						mustExec(t, db, "DROP TABLE "+table)
					}
					migrateStore(t, db, d)
					worksStore(t, db, d, "a")
					var indexed int
					must(t, db.QueryRow("SELECT count(*) FROM information_schema.statistics WHERE table_schema = DATABASE()"+
						" AND index_name = 'fulfil_claims_claimed'").Scan(&indexed))
					if indexed != 2 {
						t.Errorf("the index of version 2 must be there with its two columns; it has %d", indexed)
					}
				})
			}
		}
	}
}

// On PostgreSQL and SQLite a migration that fails leaves nothing behind.
func TestSQLStoreMigrateFails(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		if d.Dialect == sqlkit.MySQL {
			t.Skip("commits every statement: see TestSQLStoreMigrateResumes")
		}
		t.Parallel()
		db := d.Open(t, 2)
		mustExec(t, db, "CREATE TABLE fulfil_values (in_the_way INTEGER)") // the last table of the migration
		if err := sqlstore.Migrate(t.Context(), db, d.Dialect); err == nil {
			t.Fatal("a table is in the way, and Migrate returned no error")
		}
		for _, table := range []string{"fulfil_orders", "fulfil_refs", "fulfil_claims"} {
			if _, err := db.ExecContext(t.Context(), "SELECT * FROM "+table); err == nil {
				t.Errorf("after a migration that failed, %s must not exist", table)
			}
		}
		mustExec(t, db, "DROP TABLE fulfil_values")
		migrateStore(t, db, d)
		worksStore(t, db, d, "a")
	})
}

// A later version is added to the tables of an earlier one and keeps their rows, even if it first fails half way.
func TestMigrateUpgradesInPlace(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx, db := t.Context(), d.Open(t, 2)
		folder := "schema/" + d.Dialect.String() + "/"
		files := fstest.MapFS{folder + "0001_things.up.sql": {Data: []byte("-- +goose Up\nCREATE TABLE things (n INTEGER);\n")}}
		migrate := func() error {
			return sqlkit.Migrate(ctx, db, d.Dialect, sqlkit.Component{Name: "things", Files: files})
		}
		must(t, migrate())
		mustExec(t, db, "INSERT INTO things (n) VALUES (1)")
		const one = "-- +goose Up\nALTER TABLE things ADD COLUMN color VARCHAR(10);\n"
		files[folder+"0002_colors.up.sql"] = &fstest.MapFile{Data: []byte(one + "INSERT INTO nothing (n) VALUES (2);\n")}
		if err := migrate(); err == nil {
			t.Fatal("a statement of version 2 fails, and Migrate returned no error")
		}
		files[folder+"0002_colors.up.sql"] = &fstest.MapFile{Data: []byte(one + "INSERT INTO things (n, color)\n\tVALUES (2, 'a;b');\n")}
		must(t, migrate())
		must(t, migrate())
		var count int
		must(t, db.QueryRowContext(ctx, "SELECT count(*) FROM things WHERE n = 1 AND color IS NULL OR n = 2 AND color = 'a;b'").Scan(&count))
		if count != 2 {
			t.Errorf("after the upgrade there must be the row from before and the row of version 2; there are %d of them", count)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustExec(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
