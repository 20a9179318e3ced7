package checkout

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// shopIdentity is what marks the sessions of this installation.
type shopIdentity struct {
	id string
	// mode is "live" or "test", the mode that the first session was created in; empty: none was created yet.
	mode string
}

// The names of the values in the Store that belong to the shop as a whole.
const (
	modeCursor = "mode"
	// witnessCursor holds the ID of a session that the shop began on the merchant's own account.
	witnessCursor = "session"
)

// shop returns the identity of this installation. The first sweep of all, whenever it comes, reads what Stripe could not
// deliver since the ID was made. Of callers that come at the same time, as to a process that has just started, one reads for all.
func (f *Flow[Tx]) shop(ctx context.Context) (shopIdentity, error) {
	known := f.identity.Load()
	if known != nil && known.mode != "" {
		return *known, nil
	}
	unlock, err := f.learning.lock(ctx, modeCursor)
	if err != nil {
		return shopIdentity{}, err
	}
	defer unlock()
	if latest := f.identity.Load(); latest != known {
		return *latest, nil // read while this caller waited
	}
	if err := f.startEvents(ctx, ""); err != nil {
		return shopIdentity{}, err
	}
	id := f.ownShopID
	if id == "" {
		if id, err = f.store.ShopID(ctx, "shop_"+rand.Text()); err != nil {
			return shopIdentity{}, err
		}
	}
	mode, err := f.store.Cursor(ctx, modeCursor)
	if err != nil {
		return shopIdentity{}, err
	}
	shop := shopIdentity{id: id, mode: mode}
	f.identity.Store(&shop)
	return shop, nil
}

// modeOf is the word that a mode is stored as.
func modeOf(livemode bool) string {
	if livemode {
		return "live"
	}
	return "test"
}

// checkMode compares the mode of a session that was just created with the shop's, and keeps it if it is the first. A
// difference means that one Store is used with keys of two modes: what one of them does would be lost on the other.
func (f *Flow[Tx]) checkMode(ctx context.Context, livemode bool) error {
	shop, err := f.shop(ctx)
	if err != nil {
		return err
	}
	mode := modeOf(livemode)
	switch shop.mode {
	case mode:
		return nil
	case "":
		if err := f.store.SetCursor(ctx, modeCursor, mode); err != nil {
			return err
		}
		f.identity.Store(&shopIdentity{id: shop.id, mode: mode})
		return nil
	}
	return fmt.Errorf("%w: the key is of %s mode and the orders in the store are of %s mode: use a store for each", ErrWrongMode, mode, shop.mode)
}

// fits reports whether a session has the shop's mode. Until the first session is created, every mode fits.
func (s shopIdentity) fits(livemode bool) bool { return s.mode == "" || s.mode == modeOf(livemode) }

// checkAccount asks Stripe once in the life of a process for a session that the shop began. In live mode sessions are never
// deleted: if Stripe does not know the session, the key is of another account than the orders. In a sandbox its data may have
// been deleted. Another failure says nothing, and the next call asks again. Of callers that come at the same time, one asks for all.
func (f *Flow[Tx]) checkAccount(ctx context.Context) (err error) {
	switch {
	case f.wrongAccount.Load():
		return ErrWrongAccount
	case f.accountChecked.Load():
		return nil
	}
	asked := f.accountAsked.Load()
	unlock, err := f.learning.lock(ctx, witnessCursor)
	if err != nil {
		return err
	}
	defer unlock()
	switch {
	case f.wrongAccount.Load():
		return ErrWrongAccount
	case f.accountAsked.Load() != asked: // by another caller, while this one waited
		return nil
	}
	defer func() {
		if err == nil {
			f.accountAsked.Add(1)
		}
	}()
	session, err := f.store.Cursor(ctx, witnessCursor)
	if err != nil || session == "" {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	_, err = f.stripe.session(asking, "", "", session, "start")
	if !missing(err) {
		f.accountChecked.Store(err == nil)
		return ctx.Err()
	}
	shop, err := f.shop(ctx)
	if err != nil {
		return err
	}
	if shop.mode == modeOf(true) {
		f.wrongAccount.Store(true)
		f.log.Error("the key is of another stripe account than the orders in the store: use a store for each account", "session", session)
		return ErrWrongAccount
	}
	f.log.Warn("stripe does not know a session of this shop: the sandbox's data was deleted, or the key is of another account", "session", session)
	return f.store.SetCursor(ctx, witnessCursor, "")
}

// keepWitness keeps the first session of the merchant's own account for checkAccount.
func (f *Flow[Tx]) keepWitness(ctx context.Context, account, session string) error {
	if account != "" || f.accountChecked.Load() {
		return nil
	}
	known, err := f.store.Cursor(ctx, witnessCursor)
	if err == nil && known == "" {
		err = f.store.SetCursor(ctx, witnessCursor, session)
	}
	if err == nil {
		f.accountChecked.Store(true)
	}
	return err
}

// ForeignSessions counts the session events since the Flow was made that were of sessions this shop did not begin.
// They are acknowledged and otherwise ignored.
func (f *Flow[Tx]) ForeignSessions() int64 { return f.foreign.Load() }

// countForeign counts something that is not this shop's, and logs the count at most once an hour.
func (f *Flow[Tx]) countForeign(cause, object string) {
	count, now := f.foreign.Add(1), f.now().Unix()
	f.log.Debug("not this shop's", "cause", cause, "object", object)
	said := f.foreignSaid.Load()
	if now-said >= int64(time.Hour/time.Second) && f.foreignSaid.CompareAndSwap(said, now) {
		f.log.Info("events of other shops are ignored", "count", count, "latest", object)
	}
}
