// Package flowtest runs the Flow on real databases: processes that are killed, processes that compete, pools that run dry.
package flowtest

import (
	"database/sql"
	"os"
	"testing"

	"github.com/gofulfil/fulfil/internal/dbtest"
)

// Tx is the transaction of all SQL backends.
type Tx = *sql.Tx

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	os.Exit(dbtest.Main(m))
}
