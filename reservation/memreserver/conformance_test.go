package memreserver_test

import (
	"testing"

	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/reservation/reservationtest"
	"github.com/gofulfil/fulfil/store/memstore"
)

func TestReserver(t *testing.T) {
	reservationtest.Run(t, func(*testing.T) reservationtest.Subject[*memstore.Tx] {
		st := memstore.New()
		r := memreserver.New().WithStore(st)
		return reservationtest.Subject[*memstore.Tx]{Reserver: r, Stock: r, InTx: st.InTx}
	})
}
