package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// poolerTime is how long the search for a pooler may take. A pooler makes the search wait while all of its connections are in
// use.
const poolerTime = 3 * time.Second

// checkPooler returns an error if PostgreSQL is behind a pooler in transaction mode, such as PgBouncer, and the driver sends a
// statement in parts: the pooler gives the parts to different servers. checkPooler notices a pooler only if the pooler is not
// busy and db may open two connections.
func checkPooler(ctx context.Context, db *sql.DB, d Dialect) error {
	if d != Postgres || db.Stats().MaxOpenConnections == 1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, poolerTime)
	defer cancel()
	err := lookForPooler(ctx, db)
	if ctx.Err() != nil {
		return nil // the search was cut short, so the settings are unknown
	}
	return err
}

func lookForPooler(ctx context.Context, db *sql.DB) error {
	first, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer first.Close()
	second, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer second.Close()
	server, err := serverOf(ctx, first)
	if err != nil {
		return err
	}
	tx, err := second.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	shared, err := serverOf(ctx, tx)
	if err != nil || shared != server {
		return err // without an error, each connection has a server of its own
	}
	// The transaction occupies the server that answered the first connection, so the next query of that connection goes to
	// another server.
	if _, err := serverOf(ctx, first); err != nil {
		return err
	}
	if sendsInParts(first) {
		return errors.New(poolerCure)
	}
	return nil
}

// serverOf returns the process ID of the server that answers. The query has a parameter, like most of the library's queries.
func serverOf(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (pid int, err error) {
	var echo string
	err = q.QueryRowContext(ctx, "SELECT pg_backend_pid(), $1::text", "").Scan(&pid, &echo)
	return pid, err
}

// sendsInParts reports whether conn is a connection of lib/pq without binary_parameters. It parses a statement in one round
// trip and runs the statement in the next.
func sendsInParts(conn *sql.Conn) (inParts bool) {
	_ = conn.Raw(func(driverConn any) error {
		v := reflect.Indirect(reflect.ValueOf(driverConn))
		if v.Kind() != reflect.Struct || !strings.HasSuffix(v.Type().PkgPath(), "lib/pq") {
			return nil
		}
		if cfg := v.FieldByName("cfg"); cfg.IsValid() && cfg.Kind() == reflect.Struct {
			v = cfg
		}
		for _, name := range []string{"BinaryParameters", "binaryParameters"} { // since v1.11, and before
			if field := v.FieldByName(name); field.IsValid() && field.Kind() == reflect.Bool {
				inParts = !field.Bool()
			}
		}
		return nil
	})
	return inParts
}

const poolerCure = "a pooler in transaction mode, such as PgBouncer, gives the parts of a statement to different servers: " +
	"add default_query_exec_mode=exec (pgx) or binary_parameters=yes (lib/pq) to the DSN"

// explainPooler adds the cure to an error about a statement that was prepared on another server: invalid_sql_statement_name or
// duplicate_prepared_statement.
func explainPooler(err error) error {
	lost := anyError(err, func(err error) bool { return slices.Contains([]string{"26000", "42P05"}, sqlState(err)) })
	if lost && !strings.Contains(err.Error(), poolerCure) {
		return fmt.Errorf("%s: %w", poolerCure, err)
	}
	return err
}
