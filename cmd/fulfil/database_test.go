package main

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store/sqlstore"
)

func TestParseDatabase(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"postgres://shop:p@host/shop":              "postgres://shop:p@host/shop",
		"file:shop.db":                             "file:shop.db?_pragma=busy_timeout(10000)&_pragma=synchronous(full)&mode=rw",
		"file:shop.db?mode=ro":                     "file:shop.db?_pragma=busy_timeout(10000)&_pragma=synchronous(full)&mode=ro",
		"file:shop.db?_pragma=busy_timeout(5)":     "file:shop.db?_pragma=synchronous(full)&mode=rw&_pragma=busy_timeout(5)",
		"mysql://shop:p%40ss@host/shop":            "shop:p@ss@tcp(host:3306)/shop",
		"mysql://shop@[::1]:3307/shop":             "shop@tcp([::1]:3307)/shop",
		"shop:p@tcp(host:3306)/shop?timeout=5s":    "shop:p@tcp(host:3306)/shop?timeout=5s",
		"mariadb://shop@host/shop?tls=skip-verify": "shop@tcp(host:3306)/shop?tls=skip-verify",
	} {
		src, err := parseDatabase(address, false)
		require.NoError(t, err, address)
		require.Equal(t, want, src.dsn)
	}
	src, err := parseDatabase("file:shop.db", true)
	require.NoError(t, err)
	require.NotContains(t, src.dsn, "mode=")
	for address, message := range map[string]string{
		"": "no database is named", "shop": "not understood", "mysql://host": "does not name a database", "mysql:///shop": "not understood",
		"postgres://host:port/shop": "not understood", "https://host/shop": "not understood",
	} {
		_, err := parseDatabase(address, false)
		require.ErrorContains(t, err, message, address)
	}
}

// Whatever the address is, it is refused without being repeated, or sql.Open takes what becomes of it.
func FuzzParseDatabase(f *testing.F) {
	for _, seed := range []string{
		"", "file:shop.db", "file:a?b&c", "postgres://a:b@c/d?e=f", "postgres://a:%zz@c", "mysql://a:b@c:1/d?e=f", "a:b@tcp(c:1)/d?e=f", "mysql://[::1/x", "file:?mode=ro#x",
		"postgresql:///d?host=/tmp", "a:b@unix(/x)/d", "mariadb:\x00", "mysql://a:b@c/d/e",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, address string, create bool) {
		src, err := parseDatabase(address, create)
		if err != nil {
			if len(address) > 12 {
				require.NotContains(t, err.Error(), address)
			}
			return
		}
		require.NotZero(t, src.dialect)
		db, err := sql.Open(src.driver, src.dsn)
		require.NoError(t, err, "%q became %q", address, src.dsn)
		require.NoError(t, db.Close())
		if src.dialect == sqlstore.SQLite {
			require.Contains(t, src.dsn, "busy_timeout")
			file, _, _ := strings.Cut(address, "?")
			require.True(t, strings.HasPrefix(src.dsn, file+"?"))
		}
	})
}
