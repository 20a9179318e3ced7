// Package sqlkit is shared by the SQL backends: dialects, transactions that run again after a conflict, and schema migration.
// It works over database/sql and imports no driver.
package sqlkit

import (
	"strconv"
	"strings"
	"time"
)

// Dialect is the SQL that a database speaks. The zero Dialect is invalid.
type Dialect int

// The dialects.
const (
	Postgres Dialect = iota + 1
	MySQL            // and MariaDB
	SQLite
)

// String returns the dialect's name in lower case.
func (d Dialect) String() string {
	switch d {
	case Postgres:
		return "postgres"
	case MySQL:
		return "mysql"
	case SQLite:
		return "sqlite"
	}
	return "unknown dialect " + strconv.Itoa(int(d))
}

// Rebind replaces the question marks of a query by the placeholders of the dialect. Every question mark must be a placeholder.
func (d Dialect) Rebind(query string) string {
	if d != Postgres {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 16)
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// Rows returns n comma-separated rows of placeholders: Rows(2, 3) is "(?, ?, ?), (?, ?, ?)".
func Rows(n, columns int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", columns), ", ") + ")"
	return strings.TrimSuffix(strings.Repeat(row+", ", n), ", ")
}

// List returns a list of n placeholders in parentheses, for IN.
func List(n int) string { return Rows(1, n) }

// Time returns t in UTC, cut to the microsecond, as a text parameter for a column of times: timestamptz on PostgreSQL,
// DATETIME(6) on MySQL, TEXT on SQLite, where the texts sort as the times do. Drivers disagree about parameters of type
// time.Time.
func (d Dialect) Time(t time.Time) string {
	layout := "2006-01-02T15:04:05.000000Z"
	if d == MySQL {
		layout = "2006-01-02 15:04:05.000000"
	}
	return t.UTC().Truncate(time.Microsecond).Format(layout)
}
