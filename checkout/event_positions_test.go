package checkout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/webhook"
)

// sweepAs sweeps as a process does.
func (s *testShop) sweepAs(flow *checkout.Flow[tx]) {
	s.t.Helper()
	_, err := flow.Sweep(s.t.Context())
	require.NoError(s.t, err)
}

// What a process without a handler passes over is found by one that has it, while a new version is deployed and later.
func TestProcessesWithOtherHandlers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.down()
	older, _ := s.process()
	handled := s.hears(func() error { return nil }) // by the newer process
	for n := range 3 {
		s.pay(s.begin(cartOf(fmt.Sprintf("order-%d", n), "tee")).SessionID)
		s.srv.Advance(20 * time.Minute)
		s.sweepAs(older)
		s.srv.Advance(20 * time.Minute)
		s.sweepAs(older)
		s.requireStatus(fmt.Sprintf("order-%d", n), checkout.Fulfilled)
		s.sweep()
		require.Equal(t, n+1, handled())
	}
}

// A process with handlers that none had before goes on where the others stopped, however long ago that was.
func TestNewHandlersAfterAnOutage(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-0", "tee")).SessionID)
	s.srv.Advance(2 * day)
	s.sweep()
	s.down()
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.srv.Advance(5 * day)

	flow, hook := s.process()
	s.flow, s.hook = flow, hook
	handled := s.hears(func() error { return nil })
	s.sweep()
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, 1, handled(), "and what was before is not read again")
}

// A process with new handlers gets no events from before others stopped reading for good.
func TestNewHandlersAfterOldProcesses(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.down()
	older, _ := s.process()
	s.pay(s.begin(cartOf("order-0", "tee")).SessionID)
	s.sweepAs(older)
	newer, hook := s.process()
	webhook.On(hook, webhook.CustomerUpdated, func(context.Context, *webhook.Event[stripe.Customer]) error { return nil })
	for range 5 {
		s.srv.Advance(day)
		s.sweepAs(newer)
	}
	handled := s.hears(func() error { return nil })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.srv.Advance(time.Hour)
	s.sweep()
	require.Equal(t, 1, handled())
}

// All processes read all events after a loss, whichever is the first to have done so.
func TestLossIsReadByAllHandlers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	older, _ := s.process()
	handled := s.hears(func() error { return nil })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.sweep()
	s.sweepAs(older)
	require.Equal(t, 1, handled())
	s.lose(true)
	s.loseRows("charged/", "fulfil_claim/") // and what the other handler did
	require.Zero(t, handled())
	s.srv.Advance(11 * time.Minute)
	_, err := older.Backfill(t.Context(), testStart) // notices the loss
	require.NoError(t, err)
	for range 2 {
		s.sweepAs(older)
	}
	lost, err := s.st.Cursor(t.Context(), "lost")
	require.NoError(t, err)
	require.NotEmpty(t, lost, "the other process has not read what was lost")
	s.sweep()
	require.Equal(t, 1, handled())
	lost, err = s.st.Cursor(t.Context(), "lost")
	require.NoError(t, err)
	require.Empty(t, lost)
}

// A second loss is read, too, by a process that has done with the first, although that reading still waits for other handlers.
func TestSecondLossWhileTheFirstIsRead(t *testing.T) {
	t.Parallel()
	for name, notice := range map[string]func(s *testShop, backup time.Time, event string){
		"a payment shows it": func(s *testShop, _ time.Time, event string) { require.NoError(s.t, s.srv.Redeliver(event)) },
		"Backfill": func(s *testShop, backup time.Time, _ string) {
			_, err := s.flow.Backfill(s.t.Context(), backup.Add(-day))
			require.NoError(s.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			other, _ := s.process()
			handled := s.hears(func() error { return nil })
			s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
			s.sweepAs(other)
			s.sweep()
			s.loseOrder("order-1")
			s.srv.Advance(11 * time.Minute)
			_, err := s.flow.Backfill(t.Context(), testStart.Add(-day))
			require.NoError(t, err)
			s.sweep()
			require.True(t, s.order("order-1").Stuck())

			backup := s.srv.Now()
			s.srv.Advance(2 * time.Hour)
			s.pay(s.begin(cartOf("order-2", "tee")).SessionID)
			s.pay(s.begin(cartOf("order-3", "tee")).SessionID)
			s.loseOrder("order-2")
			s.loseOrder("order-3")
			s.loseRows("charged/", "fulfil_claim/")
			s.srv.Advance(11 * time.Minute)
			var last string
			for _, e := range s.sent() {
				if e.Type == completed {
					last = e.ID
				}
			}
			notice(s, backup, last)
			s.sweep()
			require.True(t, s.order("order-2").Stuck())
			require.True(t, s.order("order-3").Stuck())
			require.Equal(t, 2, handled(), "what the other handler did after the backup is done again")
			s.sweepAs(other)
			lost, err := s.st.Cursor(t.Context(), "lost")
			require.NoError(t, err)
			require.Empty(t, lost)
		})
	}
}

// A process that is gone for good keeps the reading after a loss from ending for three days only.
func TestLossIsNotReadByHandlersThatAreGone(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	older, _ := s.process()
	s.hears(func() error { return nil })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.sweepAs(older)
	s.sweep()
	s.lose(true)
	s.srv.Advance(11 * time.Minute)
	_, err := s.flow.Backfill(t.Context(), testStart)
	require.NoError(t, err)
	for range 3 {
		s.sweep()
		lost, err := s.st.Cursor(t.Context(), "lost")
		require.NoError(t, err)
		require.NotEmpty(t, lost)
		s.srv.Advance(day)
	}
	s.sweep()
	lost, err := s.st.Cursor(t.Context(), "lost")
	require.NoError(t, err)
	require.Empty(t, lost)
}

// The positions are few, however many sets of handlers there were.
func TestPositionsAreBounded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	for n := range 30 {
		flow, hook := s.process()
		webhook.On(hook, webhook.Type[stripe.Charge](fmt.Sprintf("charge.made_up_%d", n)), func(context.Context, *webhook.Event[stripe.Charge]) error { return nil })
		s.sweepAs(flow)
		s.srv.Advance(time.Minute)
	}
	value, err := s.st.Cursor(t.Context(), "events")
	require.NoError(t, err)
	var positions map[string]struct{ Kept int64 }
	require.NoError(t, json.Unmarshal([]byte(value), &positions))
	require.Len(t, positions, 20)
	require.Less(t, len(value), 4000)
	for _, pos := range positions {
		require.Greater(t, pos.Kept, testStart.Add(8*time.Minute).Unix(), "the oldest are forgotten")
	}
}
