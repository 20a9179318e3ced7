package storetest_test

import (
	"testing"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/store/storetest"
)

// The test of a backend opens a new, empty store for each check.
func ExampleRun() {
	testStore := func(t *testing.T) {
		storetest.Run(t, func(*testing.T) store.Store[*memstore.Tx] { return memstore.New() })
	}
	_ = testStore // write it as func TestStore(t *testing.T) in a _test.go file
}
