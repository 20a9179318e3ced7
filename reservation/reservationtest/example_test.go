package reservationtest_test

import (
	"testing"

	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/reservation/reservationtest"
	"github.com/gofulfil/fulfil/store/memstore"
)

// The test of a backend opens a new subject without stock for each check.
func ExampleRun() {
	testReserver := func(t *testing.T) {
		reservationtest.Run(t, func(*testing.T) reservationtest.Subject[*memstore.Tx] {
			r := memreserver.New()
			return reservationtest.Subject[*memstore.Tx]{Reserver: r, Stock: r, InTx: memstore.New().InTx}
		})
	}
	_ = testReserver // write it as func TestReserver(t *testing.T) in a _test.go file
}
