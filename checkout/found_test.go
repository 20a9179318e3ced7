package checkout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
)

// A payment whose every event was lost, and that was given back before a sweep finds it, is not shipped. Found by the
// simulation: the refunds were listed before the payment that they are of was known.
func TestGivenBackBeforeItIsFound(t *testing.T) {
	t.Parallel()
	for name, giveBack := range map[string]func(s *testShop, sessionID string){
		"refunded": func(s *testShop, sessionID string) { s.refund(sessionID, 0) },
		"disputed": func(s *testShop, sessionID string) {
			_, err := s.srv.Dispute(sessionID)
			require.NoError(s.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.loseWebhooks()
			session := cartOf("order-1", "tee")
			session.HoldFor = 20 * time.Minute
			started := s.begin(session)
			s.sweep() // refunds are listed once an hour
			s.pay(started.SessionID)
			giveBack(s, started.SessionID)
			s.srv.Advance(21 * time.Minute)
			s.sweep()
			s.requireStatus("order-1", checkout.DisplayStatus(name))
			require.Zero(t, s.shipments("order-1"))
			require.Equal(t, []checkout.ChangeKind{checkout.ChangeKind(name)}, s.kinds())
		})
	}
}
