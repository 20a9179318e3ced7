package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Table is a table that a component uses, with the columns that the component reads or writes.
type Table struct {
	Name    string
	Columns []string
}

// Check returns an error if a setting of a connection does not suit the library, or if a table, a column or an index of the
// component is missing. The tables may have been made by any tool.
func Check(ctx context.Context, db *sql.DB, d Dialect, c Component) error {
	err := retry(ctx, startTime, func() error { return check(ctx, db, d, c) })
	if err != nil {
		return fmt.Errorf("checking %s of fulfil on %s: %w", c.Name, d, explainPooler(err))
	}
	return nil
}

func check(ctx context.Context, db *sql.DB, d Dialect, c Component) error {
	if _, err := c.steps(d); err != nil {
		return err
	}
	if err := checkPooler(ctx, db, d); err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := checkSettings(ctx, conn, d); err != nil {
		return err
	}
	return checkSchema(ctx, conn, d, c)
}

// CheckSettings returns an error if a setting of a connection does not suit the library.
func (s SQL) CheckSettings(ctx context.Context) error {
	return Retry(ctx, func() error {
		conn, err := s.DB.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		return checkSettings(ctx, conn, s.Dialect)
	})
}

func checkSettings(ctx context.Context, conn *sql.Conn, d Dialect) error {
	switch d {
	case Postgres:
		return checkPostgres(ctx, conn)
	case MySQL:
		return checkMySQL(ctx, conn)
	case SQLite:
		return checkSQLite(ctx, conn)
	}
	return errors.New("choose Postgres, MySQL or SQLite")
}

// checkPostgres refuses an encoding that can't hold every name.
func checkPostgres(ctx context.Context, conn *sql.Conn) error {
	var server, client string
	query := `SELECT current_setting('server_encoding'), current_setting('client_encoding')`
	if err := conn.QueryRowContext(ctx, query).Scan(&server, &client); err != nil {
		return err
	}
	if server != "UTF8" {
		return fmt.Errorf("the database is encoded in %s, which can't hold every customer's name: create it with ENCODING 'UTF8'", server)
	}
	if client != "UTF8" {
		return fmt.Errorf("client_encoding is %s, which can't hold every customer's name: leave it out of the DSN, or set it to UTF8", client)
	}
	return nil
}

// checkMySQL refuses a character set that can't hold every name, a mode in which the server cuts values that do not fit, and
// autocommit=0.
func checkMySQL(ctx context.Context, conn *sql.Conn) error {
	var client, connection, results, mode sql.NullString
	var autocommit bool
	query := `SELECT @@character_set_client, @@character_set_connection, @@character_set_results, @@sql_mode, @@autocommit`
	if err := conn.QueryRowContext(ctx, query).Scan(&client, &connection, &results, &mode, &autocommit); err != nil {
		return err
	}
	for _, charset := range []sql.NullString{client, connection, results} {
		if charset.Valid && charset.String != "utf8mb4" {
			return fmt.Errorf("the connection's character set is %s, which can't hold every customer's name: "+
				"leave charset and collation out of the DSN, or set charset=utf8mb4", charset.String)
		}
	}
	if !strings.Contains(mode.String, "STRICT_TRANS_TABLES") && !strings.Contains(mode.String, "STRICT_ALL_TABLES") &&
		!strings.Contains(mode.String, "TRADITIONAL") {
		return fmt.Errorf("sql_mode is %q, so the server cuts values that do not fit instead of refusing them: "+
			"add STRICT_TRANS_TABLES", mode.String)
	}
	if !autocommit {
		return errors.New("autocommit is 0, so a read outside of a transaction begins a transaction that never ends: " +
			"leave autocommit out of the DSN, or set it to 1")
	}
	return nil
}

// checkSQLite refuses settings that make writers fail instead of waiting, or readers wait for writers. A database in memory
// needs no write-ahead log. If the library's tables are missing, the next statement fails with a better message.
func checkSQLite(ctx context.Context, conn *sql.Conn) error {
	if err := checkBusyTimeout(ctx, conn); err != nil {
		return err
	}
	var tables int
	if err := conn.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE name LIKE 'fulfil!_%' ESCAPE '!'`).Scan(&tables); err != nil {
		return err
	}
	var file, mode string
	if err := conn.QueryRowContext(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&file); err != nil {
		return err
	}
	if tables == 0 || file == "" {
		return nil
	}
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("journal_mode is %s, so readers and writers fail while they wait for each other: "+
			"run Migrate, or PRAGMA journal_mode = WAL once", mode)
	}
	return nil
}

func checkBusyTimeout(ctx context.Context, conn *sql.Conn) error {
	var timeout int
	if err := conn.QueryRowContext(ctx, `PRAGMA busy_timeout`).Scan(&timeout); err != nil {
		return err
	}
	if timeout <= 0 {
		return errors.New("busy_timeout is 0, so writers fail instead of waiting for each other: " +
			"open the database with ?_pragma=busy_timeout(10000) (modernc.org/sqlite) or ?_busy_timeout=10000 (mattn/go-sqlite3)")
	}
	return nil
}

// indexQueries returns true if the index with a name exists.
var indexQueries = map[Dialect]string{
	Postgres: `SELECT to_regclass('%s') IS NOT NULL`,
	MySQL:    `SELECT count(*) > 0 FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name = '%s'`,
	SQLite:   `SELECT count(*) > 0 FROM sqlite_master WHERE type = 'index' AND name = '%s'`,
}

// checkSchema looks for the tables, columns and indexes themselves: other tools than Migrate do not record what they have made.
func checkSchema(ctx context.Context, conn *sql.Conn, d Dialect, c Component) error {
	const cure = "run Migrate, or apply the files of Schema with the tool that migrates this database"
	if c.Needs == nil {
		return nil
	}
	tables, indexes := c.Needs(d)
	for _, table := range tables {
		rows, err := conn.QueryContext(ctx, "SELECT "+strings.Join(table.Columns, ", ")+" FROM "+table.Name+" WHERE 1 = 0")
		if err == nil {
			err = errors.Join(rows.Close(), rows.Err())
		}
		switch {
		case err == nil:
		case ctx.Err() != nil || isBroken(err):
			return err
		default:
			return fmt.Errorf("table %s or one of its columns %s is missing: %s: %w", table.Name, strings.Join(table.Columns, ", "), cure, err)
		}
	}
	for _, index := range indexes {
		var there bool
		if err := conn.QueryRowContext(ctx, fmt.Sprintf(indexQueries[d], index)).Scan(&there); err != nil {
			return err
		}
		if !there {
			return fmt.Errorf("the index %s is missing: %s", index, cure)
		}
	}
	return nil
}
