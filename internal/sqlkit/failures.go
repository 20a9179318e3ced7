package sqlkit

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
)

// The library imports no driver, so it recognizes drivers' errors by their shape. The errors of pgx and lib/pq have a method
// SQLState, those of go-sql-driver/mysql a field Number, those of modernc's SQLite a method Code, and those of mattn's a field
// Code.

// Codes of a conflict between transactions. Running the transaction again resolves the conflict.
var (
	// https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure, deadlock_detected.
	conflictSQLStates = []string{"40001", "40P01"}
	// https://mariadb.com/kb/en/mariadb-error-code-reference/: lock wait timeout, deadlock, and (with MariaDB's
	// innodb_snapshot_isolation) a snapshot that is too old for a row.
	conflictMySQL = []uint64{1205, 1213, 1020}
	// https://www.sqlite.org/rescode.html: SQLITE_BUSY, SQLITE_LOCKED.
	conflictSQLite = []int64{5, 6}
)

// Codes of a server that ended the connection or takes no more of them. The transaction was rolled back.
var (
	// admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections. All of class 08, connection exception, also count.
	brokenSQLStates = []string{"57P01", "57P02", "57P03", "53300"}
	// Server shutdown in progress; server has gone away; lost connection; connection was killed (MariaDB, MySQL); closed
	// because it was idle; too many connections; too many of this user.
	brokenMySQL = []uint64{1053, 2006, 2013, 1927, 3169, 4031, 1040, 1203}
	// Texts of untyped errors of go-sql-driver/mysql and pgx.
	brokenTexts = []string{"invalid connection", "conn closed"}
)

// Codes of a server that answers but refuses to write: a primary that became a replica, or a node without its cluster.
var (
	// read_only_sql_transaction.
	readOnlySQLStates = []string{"25006"}
	// WSREP has not prepared the node; the server is read-only; the transaction is read-only; read-only mode.
	readOnlyMySQL = []uint64{1047, 1290, 1792, 1836}
)

// Codes of a server whose disk is full. What fills it is often gone soon, such as the temporary files of a report. SQLite's error is
// not among them: there the disk is that of the program itself, and no caller should wait for it.
var (
	// disk_full.
	fullSQLStates = []string{"53100"}
	// Disk full; the table is full, which is how InnoDB says it.
	fullMySQL = []uint64{1021, 1114}
)

// isConflict reports whether err is a conflict between transactions.
func isConflict(err error) bool {
	return anyError(err, func(err error) bool {
		return slices.Contains(conflictSQLStates, sqlState(err)) || slices.Contains(conflictMySQL, mysqlNumber(err)) ||
			slices.Contains(conflictSQLite, sqliteCode(err))
	})
}

// isBroken reports whether err says that the connection to the database is lost or could not be made.
func isBroken(err error) bool {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	var network *net.OpError
	return errors.As(err, &network) || anyError(err, func(err error) bool {
		state := sqlState(err)
		return strings.HasPrefix(state, "08") || slices.Contains(brokenSQLStates, state) ||
			slices.Contains(brokenMySQL, mysqlNumber(err)) || slices.Contains(brokenTexts, err.Error())
	})
}

// IsReadOnly reports whether err says that the server refuses to write.
func IsReadOnly(err error) bool {
	return anyError(err, func(err error) bool {
		return slices.Contains(readOnlySQLStates, sqlState(err)) || slices.Contains(readOnlyMySQL, mysqlNumber(err))
	})
}

// isFull reports whether err says that the server's disk is full.
func isFull(err error) bool {
	return anyError(err, func(err error) bool {
		return slices.Contains(fullSQLStates, sqlState(err)) || slices.Contains(fullMySQL, mysqlNumber(err))
	})
}

// isOutage reports whether err says that the database can't work now, and may again soon.
func isOutage(err error) bool { return isBroken(err) || IsReadOnly(err) || isFull(err) }

// failedAtCommit reports whether err is ER_ERROR_DURING_COMMIT, after which a node of Galera may have passed the transaction on.
func failedAtCommit(err error) bool {
	return anyError(err, func(err error) bool { return mysqlNumber(err) == 1180 })
}

// anyError reports whether is(e) is true for err or for any error that err wraps.
func anyError(err error, is func(error) bool) bool {
	for err != nil {
		if is(err) {
			return true
		}
		switch wrapper := err.(type) {
		case interface{ Unwrap() error }:
			err = wrapper.Unwrap()
		case interface{ Unwrap() []error }:
			return slices.ContainsFunc(wrapper.Unwrap(), func(err error) bool { return anyError(err, is) })
		default:
			return false
		}
	}
	return false
}

// sqlState returns the SQLSTATE of an error of PostgreSQL, or "" for any other error.
func sqlState(err error) string {
	if coded, ok := err.(interface{ SQLState() string }); ok {
		return coded.SQLState()
	}
	return ""
}

// mysqlNumber returns the number of an error of MySQL or MariaDB, or 0 for any other error.
func mysqlNumber(err error) uint64 {
	number := fieldOf(err, "mysql", "Number")
	if !number.IsValid() || !number.CanUint() {
		return 0
	}
	return number.Uint()
}

// sqliteCode returns the primary result code of an error of SQLite, or 0 for any other error.
func sqliteCode(err error) int64 {
	if coded, ok := err.(interface{ Code() int }); ok && isOf(err, "sqlite") {
		return int64(coded.Code() & 0xff)
	}
	code := fieldOf(err, "sqlite", "Code")
	if !code.IsValid() || !code.CanInt() {
		return 0
	}
	return code.Int() & 0xff
}

// fieldOf returns a field of an error. The error's type must be a struct of a package with pkg in its path.
func fieldOf(err error, pkg, field string) reflect.Value {
	if !isOf(err, pkg) {
		return reflect.Value{}
	}
	return reflect.Indirect(reflect.ValueOf(err)).FieldByName(field)
}

func isOf(err error, pkg string) bool {
	v := reflect.Indirect(reflect.ValueOf(err))
	return v.Kind() == reflect.Struct && strings.Contains(v.Type().PkgPath(), pkg)
}
