package main

import (
	"crypto/rand"
	"database/sql"
	"io"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/examples/internal/printed"
)

func TestRiverExample(t *testing.T) {
	t.Parallel()
	dsn := os.Getenv("FULFIL_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("set FULFIL_TEST_POSTGRES to the DSN of a user who may create databases")
	}
	server, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	name := "fulfil_test_" + strings.ToLower(rand.Text())
	_, err = server.Exec("CREATE DATABASE " + name + " TEMPLATE template0")
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := server.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		require.NoError(t, err)
		require.NoError(t, server.Close())
	})
	database, err := url.Parse(dsn)
	require.NoError(t, err)
	database.Path = "/" + name
	printed.InReadme(t, func(out io.Writer) error { return demo(database.String(), out) })
}
