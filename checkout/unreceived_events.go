package checkout

import (
	"context"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/webhook"
)

const (
	// receivedCursor is when a snapshot event of this shop's was last received, as Unix seconds. That of a connected account ends in
	// its ID, as do the next two.
	receivedCursor = "snapshots"
	// unbrokenCursor is since when snapshot events have been received with no hour between two of them, as Unix seconds. It is not
	// set as long as there was no such hour.
	unbrokenCursor = "snapshots_since"
	// unreceivedCursor holds the positions up to which events were read that no snapshot event told of.
	unreceivedCursor = "all_events"
	// receivedEvery is how often receivedCursor is set at most.
	receivedEvery = 10 * time.Minute
	// quietAfter without a snapshot event, all events are read, every quietEvery.
	quietAfter = time.Hour
	quietEvery = 2 * time.Minute
)

// receivedSnapshot keeps that snapshot events of this shop's are received. If it can't, more is read, and nothing is lost.
func (f *Flow[Tx]) receivedSnapshot(ctx context.Context, account string) {
	now := f.now()
	if !f.snapshots.due(account, now, receivedEvery) {
		return
	}
	if err := f.keepReceived(ctx, account, now); err != nil && ctx.Err() == nil {
		f.log.Warn("the time of the last snapshot event could not be kept", "error", err)
	}
}

// keepReceived keeps when the last snapshot event was received. After a quiet time it first keeps that another time begins, as
// nobody may have read the events of the quiet time yet.
func (f *Flow[Tx]) keepReceived(ctx context.Context, account string, now time.Time) error {
	last, err := f.storedTime(ctx, cursorOf(receivedCursor, account), time.Time{})
	if err != nil {
		return err
	}
	if now.Sub(last).Abs() >= quietAfter {
		if err := f.setCursorTime(ctx, cursorOf(unbrokenCursor, account), now); err != nil {
			return err
		}
	}
	return f.setCursorTime(ctx, cursorOf(receivedCursor, account), now)
}

// unreceivedEvents are the types that are read. They fit into one list of Stripe's events. Refunds and disputes are listed once an
// hour in any case. A subscription is asked for when an invoice should have been charged, so that of invoices only the ends are read,
// which can come after the subscription's own.
var unreceivedEvents = slices.Concat(sessionEvents[:], intentEvents[:], chargeEvents[:], warningEvents[:], reviewEvents[:], subscriptionEvents[:],
	[]string{string(webhook.InvoicePaid), string(webhook.InvoiceVoided), string(webhook.InvoiceMarkedUncollectible)})

// sweepUnreceived reads all events of unreceivedEvents, delivered or not, of each time in which no snapshot event was received for an
// hour: Stripe lists undelivered events of snapshot endpoints alone, and does not say which thin events a shop never received. So a
// shop that gets snapshot events needs no such reading. Only the Flow's own handlers get the events, as the merchant's may have
// received them already.
func (f *Flow[Tx]) sweepUnreceived(ctx context.Context, b *budget, account string, found func(id string)) error {
	now := f.now()
	received, err := f.storedTime(ctx, cursorOf(receivedCursor, account), time.Time{})
	if err != nil {
		return err
	}
	unbroken, err := f.storedTime(ctx, cursorOf(unbrokenCursor, account), time.Time{})
	if err != nil {
		return err
	}
	r := eventReader{account: account, cursor: cursorOf(unreceivedCursor, account), types: unreceivedEvents, unreceived: true}
	pos, err := f.eventPosition(ctx, r, now)
	if err != nil {
		return err
	}
	covered := !unbroken.After(time.Unix(pos.Since, 0).Add(eventsOverlap)) // by snapshot events, from the position on
	if covered && now.Sub(received).Abs() < quietAfter {
		return nil
	}
	if pos.Until == 0 && now.Sub(time.Unix(pos.Since, 0)) < eventsOverlap+quietEvery {
		return nil // read just now
	}
	if since := received.Add(-eventsOverlap).Unix(); covered && pos.Until == 0 && pos.Since < since && received.Before(now) {
		pos.Since = since // until then, snapshot events were received
	}
	_, err = readEvents(ctx, f, b, r, pos, now, found)
	return err
}
