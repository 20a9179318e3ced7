package checkout

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// raceFor is how long after its creation the order of a session may be missing from what a process reads: a replica that
// lags behind is no loss.
const raceFor = 10 * time.Minute

// settleLost deals with a session of this shop whose order is not in the Store: a backup was restored, or the database
// failed over to a standby that lacked the last commits. A session whose money has arrived or is on its way is recorded with a
// new order. The order is parked when the money is there, so that a person decides about it. An open session is ended, as no
// stock is held for it.
func (f *Flow[Tx]) settleLost(ctx context.Context, shop shopIdentity, u sessionUpdate) (id string, err error) {
	known, err := f.ownAccount(ctx, u.account)
	if err != nil {
		return "", err
	}
	if !known || !shop.fits(u.facts.Livemode) {
		f.countForeign(u.cause, u.facts.ID)
		return "", nil
	}
	if !f.old(&u.facts) {
		return "", fmt.Errorf("%w: %s", ErrUnknownOrder, u.facts.Metadata[metadataOrder])
	}
	u, ours, err := f.confirm(ctx, u.account, u.facts.Mode, u)
	if err != nil || !ours {
		return "", err
	}
	id = u.facts.Metadata[metadataOrder]
	if !shop.marked(&u.facts, id) || !shop.fits(u.facts.Livemode) || !validOrderID(id) {
		f.countForeign(u.cause, u.facts.ID)
		return "", nil
	}
	switch {
	case u.bringsMoney():
		return id, f.recordLost(ctx, id, u)
	case !u.completed && !u.expired:
		return "", f.endLost(ctx, id, u)
	}
	return "", nil
}

// old reports whether a session is too old for its order or attempt to be only on its way.
func (f *Flow[Tx]) old(s *sessionFacts) bool { return f.now().Sub(time.Unix(s.Created, 0)) >= raceFor }

// endLost ends an open session whose order or attempt was lost.
func (f *Flow[Tx]) endLost(ctx context.Context, id string, u sessionUpdate) error {
	f.log.Error("open session is ended: the database lost its order or attempt", "session", u.facts.ID, "order", id)
	_, err := f.stripe.expireSession(ctx, &store.Order{Mode: u.facts.Mode, Account: u.account}, u.facts.ID, u.cause)
	if badRequest(err) {
		return nil // it has ended in the meantime; if it was paid, its event comes
	}
	return err
}

// recordLost inserts an order for a session that brings money and whose order was lost.
func (f *Flow[Tx]) recordLost(ctx context.Context, id string, u sessionUpdate) error {
	lines, err := f.stripe.lineItems(ctx, u.account, u.facts.ID)
	if err != nil {
		return err
	}
	f.log.Error("payment without an order: the database lost the order, and a person must decide when the money is there", "session", u.facts.ID, "order", id)
	if err := f.lookForListeners(ctx); err != nil {
		return err
	}
	if err := f.noticeLoss(ctx, u.account, time.Unix(u.facts.Created, 0)); err != nil {
		return err
	}
	inserted := false
	err = f.inTx(ctx, func(tx Tx) error {
		now := f.now()
		o := &store.Order{
			ID: id, CreatedAt: now, UpdatedAt: now, Mode: u.facts.Mode, Currency: u.facts.Currency, Account: u.account, Lines: lines,
			Attempts: []store.Attempt{{
				N: 1, CreatedAt: now, ClosedAt: now, Lines: lines, SessionID: u.facts.ID, Mismatch: "the order is not in the store, which lost it",
			}},
		}
		answers, err := f.store.Insert(ctx, tx, o)
		if err != nil {
			return err
		}
		if inserted = answers[0]; !inserted {
			return nil
		}
		s := settlement{o: o, update: u, now: now, before: store.Draft}
		s.join(f.refund)
		return f.carryOut(ctx, tx, &recorded{order: o, before: store.Draft, now: now, cause: u.cause})
	})
	if err != nil || inserted {
		return err
	}
	_, err = f.settle(ctx, &store.Order{ID: id}, u)
	return err
}

// ownAccount reports whether orders of this shop may be on the account.
func (f *Flow[Tx]) ownAccount(ctx context.Context, account string) (bool, error) {
	if account == "" {
		return true, nil
	}
	accounts, err := f.connectedAccounts(ctx)
	return slices.Contains(accounts, account), err
}

// connectedAccounts returns the accounts that Config.Accounts lists, sorted and each once.
func (f *Flow[Tx]) connectedAccounts(ctx context.Context) ([]string, error) {
	if f.accounts == nil {
		return nil, nil
	}
	listed, err := f.accounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("checkout: listing connected accounts: %w", err)
	}
	accounts := slices.Sorted(slices.Values(listed))
	return slices.DeleteFunc(slices.Compact(accounts), func(a string) bool { return a == "" }), nil
}

// validOrderID reports whether id can be an order's.
func validOrderID(id string) bool {
	return id != "" && len(id) <= 200 && strings.Trim(id, idCharacters) == ""
}
