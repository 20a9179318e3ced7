package memstore_test

import (
	"testing"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store[*memstore.Tx] { return memstore.New() })
}
