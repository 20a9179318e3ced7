package sqlkit

import (
	"reflect"
	"slices"
	"strings"
)

// What the databases call a conflict that is over when the transaction is run again.
var (
	// https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure, deadlock_detected.
	retrySQLStates = []string{"40001", "40P01"}
	// https://mariadb.com/kb/en/mariadb-error-code-reference/: lock wait timeout, deadlock, and a snapshot that is too old
	// for a row (MariaDB's innodb_snapshot_isolation).
	retryMySQL = []uint64{1205, 1213, 1020}
	// https://www.sqlite.org/rescode.html: SQLITE_BUSY, SQLITE_LOCKED.
	retrySQLite = []int64{5, 6}
)

// Retryable reports whether err is a conflict between transactions. The drivers' error types are told by their shape, as
// the library imports no driver: pgx and lib/pq have a method SQLState, go-sql-driver/mysql a field Number, modernc's
// SQLite a method Code and mattn's a field Code.
func Retryable(err error) bool {
	for err != nil {
		if isConflict(err) {
			return true
		}
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			err = u.Unwrap()
		case interface{ Unwrap() []error }:
			return slices.ContainsFunc(u.Unwrap(), Retryable)
		default:
			return false
		}
	}
	return false
}

func isConflict(err error) bool {
	if e, ok := err.(interface{ SQLState() string }); ok {
		return slices.Contains(retrySQLStates, e.SQLState())
	}
	if number := mysqlNumber(err); number != 0 {
		return slices.Contains(retryMySQL, number)
	}
	v := reflect.Indirect(reflect.ValueOf(err))
	if v.Kind() != reflect.Struct || !strings.Contains(v.Type().PkgPath(), "sqlite") {
		return false
	}
	if e, ok := err.(interface{ Code() int }); ok {
		return slices.Contains(retrySQLite, int64(e.Code()&0xff))
	}
	code := v.FieldByName("Code")
	return code.IsValid() && code.CanInt() && slices.Contains(retrySQLite, code.Int()&0xff)
}

// mysqlNumber is the number of an error of MySQL's or MariaDB's; 0: it is none.
func mysqlNumber(err error) uint64 {
	v := reflect.Indirect(reflect.ValueOf(err))
	if v.Kind() != reflect.Struct || !strings.Contains(v.Type().PkgPath(), "mysql") {
		return 0
	}
	number := v.FieldByName("Number")
	if !number.IsValid() || !number.CanUint() {
		return 0
	}
	return number.Uint()
}
