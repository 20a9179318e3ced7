package guides

import (
	"testing"

	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/reservation/reservationtest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store[*memstore.Tx] {
		return memstore.New() // yours, empty
	})
}

func TestReserver(t *testing.T) {
	reservationtest.Run(t, func(t *testing.T) reservationtest.Subject[*memstore.Tx] {
		r := memreserver.New() // yours, without stock
		return reservationtest.Subject[*memstore.Tx]{Reserver: r, Stock: r, InTx: memstore.New().InTx}
	})
}
