package checkout

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// positionsMost is how many sets of event types keep a position of their own in one list of events. Beyond that, the set that
	// was not read for the longest time is forgotten.
	positionsMost = 20
	// inUseFor is how long a set of event types counts as in use after its position was kept, by the time of the set that was read
	// last. It is as long as Stripe tries to deliver an event (https://docs.stripe.com/webhooks#automatic-retries), so that no
	// handler gets an older event than those that Stripe itself may send.
	inUseFor = 3 * 24 * time.Hour
)

// eventPosition is a place in the list of Stripe's events: everything before Since was read, and of the window from there
// to Until the types before Chunk, and of the next types the events down to After.
type eventPosition struct {
	Since int64  `json:"since"`
	Until int64  `json:"until,omitempty"`
	Chunk int    `json:"chunk,omitempty"`
	After string `json:"after,omitempty"`
	// From is where the reading began, if it is one after a loss. Done says that this reading is over.
	From int64 `json:"from,omitempty"`
	Done bool  `json:"done,omitempty"`
	// Kept is when the position was kept, in Unix seconds.
	Kept int64 `json:"kept,omitempty"`
}

// eventPositions are the positions in one list of events, by the set of event types that is read. Processes of one shop can have
// different handlers, as while a new version is being deployed. Each set has a position of its own, as an event that one process
// has no handler for must not be passed over by another that has one. The empty set stands for the time of the start.
type eventPositions map[string]eventPosition

// typeSet is a short name of a set of event types. That of no types is empty.
func typeSet(types []string) string {
	if len(types) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(types, ",")))
	return hex.EncodeToString(sum[:8])
}

// inUse returns the sets whose position was kept lately, by the time of the latest.
func (p eventPositions) inUse(now time.Time) (sets []string) {
	var latest int64
	for _, pos := range p {
		if pos.Kept <= now.Unix() { // otherwise by a clock that was ahead
			latest = max(latest, pos.Kept)
		}
	}
	for set, pos := range p {
		if pos.Kept >= latest-int64(inUseFor/time.Second) {
			sets = append(sets, set)
		}
	}
	return sets
}

// start is the position of a set that was not read before: the earliest of those in use, so that no type is passed over that the
// set has in common with another. If there is no other, the reading begins with the last hour.
func (p eventPositions) start(now time.Time) eventPosition {
	sets := p.inUse(now)
	if len(sets) == 0 {
		return eventPosition{Since: now.Add(-eventsWindow).Unix()}
	}
	earliest := p[sets[0]].Since
	for _, set := range sets {
		earliest = min(earliest, p[set].Since)
	}
	return eventPosition{Since: earliest}
}

// eventPositions reads the positions that a cursor holds.
func (f *Flow[Tx]) eventPositions(ctx context.Context, cursor string) (eventPositions, error) {
	value, err := f.store.Cursor(ctx, cursor)
	if err != nil || value == "" {
		return eventPositions{}, err
	}
	positions := eventPositions{}
	if err := json.Unmarshal([]byte(value), &positions); err == nil {
		return positions, nil
	}
	// A version before the first release kept a single position, or its Unix seconds.
	var single eventPosition
	if err := json.Unmarshal([]byte(value), &single); err != nil {
		if single.Since, err = strconv.ParseInt(value, 10, 64); err != nil {
			return eventPositions{}, nil // written by no version that is known
		}
	}
	return eventPositions{"": single}, nil
}

// eventPosition returns where a reading goes on. A position that lies in the future was written by a process whose clock was
// ahead, and says nothing: the reading begins anew with the oldest events that Stripe keeps.
func (f *Flow[Tx]) eventPosition(ctx context.Context, r eventReader, now time.Time) (eventPosition, error) {
	positions, err := f.eventPositions(ctx, r.cursor)
	if err != nil {
		return eventPosition{}, err
	}
	pos, known := positions[typeSet(r.types)]
	if !known {
		pos = positions.start(now)
	}
	oldest := now.Add(-eventsKept).Unix()
	if pos.Since > now.Unix() || pos.Until > now.Unix() {
		f.log.Error("the position in stripe's events lies in the future: a machine's clock was ahead; reading all that stripe keeps")
		pos = eventPosition{Since: oldest}
	}
	if pos.Since < oldest {
		pos = eventPosition{Since: oldest}
	}
	return pos, nil
}

// setEventPosition keeps the position of a reading. Two processes at once may set the position of another set back, which is
// read once more then.
func (f *Flow[Tx]) setEventPosition(ctx context.Context, r eventReader, pos eventPosition) error {
	positions, err := f.eventPositions(ctx, r.cursor)
	if err != nil {
		return err
	}
	pos.Kept = f.now().Unix()
	positions[typeSet(r.types)] = pos
	for len(positions) > positionsMost {
		delete(positions, slices.MinFunc(slices.Sorted(maps.Keys(positions)), func(a, b string) int {
			return cmp.Compare(positions[a].Kept, positions[b].Kept)
		}))
	}
	value, err := json.Marshal(positions)
	if err != nil {
		return err
	}
	return f.store.SetCursor(ctx, r.cursor, string(value))
}

// startEvents has the first sweep begin with what happens on an account from now on, unless there was one.
func (f *Flow[Tx]) startEvents(ctx context.Context, account string) error {
	value, err := f.store.Cursor(ctx, cursorOf(eventsCursor, account))
	if err != nil || value != "" {
		return err
	}
	// This clock may be ahead, as Stripe's time was not heard of yet.
	start := eventPosition{Since: f.now().Add(-eventsOverlap).Unix()}
	if err := f.setEventPosition(ctx, eventReader{cursor: cursorOf(unreceivedCursor, account)}, start); err != nil {
		return err
	}
	return f.setEventPosition(ctx, eventReader{cursor: cursorOf(eventsCursor, account)}, start)
}

// startAccount is startEvents for the account of an order that begins. The merchant's own account, of the empty name, began with the
// shop.
func (f *Flow[Tx]) startAccount(ctx context.Context, account string) error {
	if account == "" || f.started.has(account) {
		return nil
	}
	if err := f.startEvents(ctx, account); err != nil {
		return err
	}
	f.started.set(account, f.now())
	return nil
}
