// Package flowtest runs the Flow on real databases: processes that are killed, processes that compete, pools that run dry.
//
// The table names the tests that hold each invariant of docs/design.md on PostgreSQL, MariaDB and SQLite, through each of their
// drivers. Scenes are those of TestProcesses. An asterisk marks a test that SQLite does not run: it allows no open transaction
// while another writes, and has no connection that could break.
//
//	 1 Stripe decides when stock comes back TestStories; scene "cancel and pay"
//	 2 One payable session per order        TestContention "one order from all sides"; TestStories "both sessions are paid" and
//	                                        those of two sessions
//	 3 The sequence of events               TestStories, also with both processes at once and at SERIALIZABLE
//	 4 Payment first                        scenes "a callback that fails", "money given back while it is fulfilled"*,
//	                                        "callbacks that deadlock"*; TestDatabaseFails
//	 5 One door                             TestStories; scenes "an event that comes to both at once", "a handler that runs once
//	                                        per event", "the lease on a delivery"*, "a callback that outlasts its lease"*, "one
//	                                        question to Stripe", "decide and decide"; TestStarvation
//	 6 Only what was sold                   TestStories "both sessions are paid": an order found by its session's metadata. Whose
//	                                        session it is is decided without the database
//	 7 Late money finds its stock           scenes "late money and the last piece", "decide and decide"; TestContention
//	 8 A crash anywhere loses nothing       TestKill, TestCommitAnswerLost*, TestDatabaseFails
//	 9 Missed events are found              TestStories with polls; scene "the cursor of undelivered events"; TestKill
//	10 Any API version                      no database can break it
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
