package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/examples/internal/orderview"
	"github.com/gofulfil/fulfil/store"
)

// mailsTable holds the mails that members would get. The primary key would refuse a second mail about the same change.
const mailsTable = `
	CREATE TABLE IF NOT EXISTS mails (
		key TEXT PRIMARY KEY,
		user TEXT NOT NULL,
		sent_at INTEGER NOT NULL, -- Unix time
		subject TEXT NOT NULL,
		text TEXT NOT NULL
	);
	CREATE INDEX IF NOT EXISTS mails_user ON mails (user, sent_at)`

// mail is a row of the table.
type mail struct {
	At            time.Time
	Subject, Text string
}

// welcome is called once for each membership: when its first period is paid, or when its trial begins. The mail commits together
// with the mark that the order is fulfilled, or not at all. If welcome returned an error, it would be called again later.
func (s *site) welcome(ctx context.Context, tx *sql.Tx, o *store.Order) error {
	text := "Your membership has begun. The pages for members are open to you."
	if sub := o.Subscription(); sub != nil && sub.Status == store.SubscriptionTrialing {
		text = fmt.Sprintf("Your trial has begun. It is free until %s.", date(sub.TrialEnd))
	}
	return write(ctx, tx, "welcome/"+o.ID, o, mail{s.pay.now(), "Welcome to " + siteName, text})
}

// told is called once for everything else that happens: a renewal, a failed card, a change of the plan, a cancellation, the end.
func (s *site) told(ctx context.Context, tx *sql.Tx, c checkout.Change) error {
	subject, text := s.mailAbout(c)
	if subject == "" {
		return nil
	}
	return write(ctx, tx, c.Key, c.Order, mail{c.At, subject, text})
}

// mailAbout writes the mail about a change; an empty subject: there is nothing to write. When is the time that the change is about: see
// the kinds of changes.
func (s *site) mailAbout(c checkout.Change) (subject, text string) {
	switch c.Kind {
	case checkout.ChangeRenewed:
		text = "It is paid until " + date(c.When) + "."
		if invoice := c.Order.Invoice(c.Invoice); invoice != nil {
			text = fmt.Sprintf("You paid %s. %s", orderview.Dollars(invoice.Paid), text)
		}
		return "Your membership was renewed", text
	case checkout.ChangePaymentFailed:
		if c.When.IsZero() {
			return "Your payment failed", fmt.Sprintf("Try %d was the last. Please give another card.", c.Try)
		}
		return "Your payment failed", fmt.Sprintf("Try %d. The next is on %s. If your card no longer works, please give another.", c.Try, date(c.When))
	case checkout.ChangeTrialEnding:
		return "Your trial ends soon", fmt.Sprintf("It ends on %s. From then on you pay %s each %s.", date(c.When),
			s.subscribedTo(c.Order).Total(), s.subscribedTo(c.Order).Plan.Interval)
	case checkout.ChangePlanChanged:
		is := s.subscribedTo(c.Order)
		return "Your plan was changed", fmt.Sprintf("You now pay %s, for %s: %s each %s.", is.Plan.Label, seats(is.Seats), is.Total(), is.Plan.Interval)
	case checkout.ChangeSubscriptionStatus:
		if c.Order.Access(c.At, grace).Reason == store.AccessPaused {
			return "Your membership is paused", "Your trial is over, and there is no card. Please give one to go on."
		}
		return "", "" // the mails about the payment say it
	case checkout.ChangeCancellationScheduled:
		return "Your membership will end", fmt.Sprintf("It lasts until %s. Until then you can change your mind.", date(c.When))
	case checkout.ChangeCancellationWithdrawn:
		return "Your membership goes on", "You withdrew the cancellation."
	case checkout.ChangeEnded:
		if c.Detail == "payment_failed" {
			return "Your membership has ended", fmt.Sprintf("It ended on %s, as it was not paid.", date(c.When))
		}
		return "Your membership has ended", fmt.Sprintf("It ended on %s. You are welcome back at any time.", date(c.When))
	}
	return "News of your membership: " + string(c.Kind), c.Detail // refunds, disputes and others: see the kinds of changes
}

// write stores a mail in the transaction of a callback. Another program would send the rows, each with its key.
func write(ctx context.Context, tx *sql.Tx, key string, o *store.Order, m mail) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO mails (key, user, sent_at, subject, text) VALUES (?, ?, ?, ?, ?)`,
		key, o.Metadata["user"], m.At.Unix(), m.Subject, m.Text)
	return err
}

// mailsOf returns the latest mails of a user, the latest first.
func (s *site) mailsOf(ctx context.Context, user string) ([]mail, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT sent_at, subject, text FROM mails WHERE user = ? ORDER BY sent_at DESC, rowid DESC LIMIT 50`, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var mails []mail
	for rows.Next() {
		var m mail
		var at int64
		if err := rows.Scan(&at, &m.Subject, &m.Text); err != nil {
			return nil, err
		}
		m.At = time.Unix(at, 0)
		mails = append(mails, m)
	}
	return mails, rows.Err()
}

// date returns the date of a time.
func date(t time.Time) string { return t.UTC().Format("2 January 2006") }

func seats(n int64) string {
	if n == 1 {
		return "1 seat"
	}
	return fmt.Sprintf("%d seats", n)
}
