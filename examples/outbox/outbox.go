package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"
)

// mailsTable holds the mails. A row stays when its mail was sent, so that a second mail with its key is refused.
const mailsTable = `CREATE TABLE IF NOT EXISTS mails (
	key TEXT PRIMARY KEY,
	recipient TEXT NOT NULL,
	subject TEXT NOT NULL,
	tries INTEGER NOT NULL DEFAULT 0,
	next_try INTEGER NOT NULL DEFAULT 0, -- Unix time
	sent_at INTEGER -- Unix time; NULL: not sent
)`

// mail is a mail to send. Its key is the same in every try: hand it to the mail server as the Message-ID, or to a provider as the
// idempotency key.
type mail struct{ Key, To, Subject string }

// outbox is the table and the worker that empties it. Any number of processes may run a worker.
type outbox struct {
	db   *sql.DB
	send func(ctx context.Context, m mail) error
	now  func() time.Time
	log  *slog.Logger
	wake chan struct{}
}

func newOutbox(ctx context.Context, db *sql.DB, send func(context.Context, mail) error, now func() time.Time, log *slog.Logger) (*outbox, error) {
	if _, err := db.ExecContext(ctx, mailsTable); err != nil {
		return nil, err
	}
	return &outbox{db: db, send: send, now: now, log: log, wake: make(chan struct{}, 1)}, nil
}

// put writes a mail as part of a transaction.
func (b *outbox) put(ctx context.Context, tx *sql.Tx, m mail) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO mails (key, recipient, subject) VALUES (?, ?, ?)`, m.Key, m.To, m.Subject)
	return err
}

// wakeUp has a worker of this process look at once. It never blocks: a worker that is awake looks again before it sleeps.
func (b *outbox) wakeUp() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// lookEvery is how often a worker looks by itself: for mails whose next try is due, and for those of a process that ended before it
// could wake its worker.
const lookEvery = 15 * time.Second

// run sends mails until ctx ends.
func (b *outbox) run(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		if err := b.sendDue(ctx); err != nil && ctx.Err() == nil {
			b.log.Error("outbox", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		case <-look.C:
		}
	}
}

// sendDue sends every mail that is due. A mail that fails is tried again later, and holds up no other.
func (b *outbox) sendDue(ctx context.Context) error {
	for {
		m, err := b.claim(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := b.send(ctx, m); err != nil {
			b.log.Warn("mail not sent", "key", m.Key, "error", err)
			continue
		}
		// If the process ends here, the mail is sent again with the same key.
		if _, err := b.db.ExecContext(ctx, `UPDATE mails SET sent_at = ? WHERE key = ?`, b.now().Unix(), m.Key); err != nil {
			return err
		}
	}
}

// claim takes the mail that is due longest. No other worker takes it for a minute, after the second try for two, and so on: so the
// claim is also the pause before the next try. The send function must be done sooner. On PostgreSQL and MySQL, the inner SELECT
// also needs FOR UPDATE SKIP LOCKED.
func (b *outbox) claim(ctx context.Context) (m mail, err error) {
	err = b.db.QueryRowContext(ctx, `UPDATE mails SET tries = tries + 1, next_try = ?1 + 60 * (tries + 1)
		WHERE key = (SELECT key FROM mails WHERE sent_at IS NULL AND next_try <= ?1 ORDER BY next_try, key LIMIT 1)
		RETURNING key, recipient, subject`, b.now().Unix()).Scan(&m.Key, &m.To, &m.Subject)
	return m, err
}
