package main

import (
	"context"
	"database/sql"
	"strings"

	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// tables are the shop's own tables, beside fulfil's. {key}, {time} and {table} stand for words that differ between the
// dialects. The primary key of shipments would refuse a second shipment of an order.
var tables = []string{
	`CREATE TABLE IF NOT EXISTS products (
		sku {key} PRIMARY KEY,
		position INTEGER NOT NULL,
		name TEXT NOT NULL,
		about TEXT NOT NULL,
		price BIGINT NOT NULL -- minor units
	) {table}`,
	`CREATE TABLE IF NOT EXISTS shop_orders (
		order_id {key} PRIMARY KEY,
		note TEXT NOT NULL,
		created_at {time} NOT NULL
	) {table}`,
	`CREATE TABLE IF NOT EXISTS shipments (
		order_id {key} PRIMARY KEY,
		name TEXT NOT NULL,
		email TEXT NOT NULL,
		address TEXT NOT NULL,
		created_at {time} NOT NULL
	) {table}`,
	`CREATE TABLE IF NOT EXISTS order_log (
		change_key {key} PRIMARY KEY,
		order_id {key} NOT NULL,
		kind TEXT NOT NULL,
		detail TEXT NOT NULL,
		created_at {time} NOT NULL
	) {table}`,
}

// words are the words of each dialect. All times are UTC. All keys are compared byte by byte.
var words = map[sqlstore.Dialect]*strings.Replacer{
	sqlstore.Postgres: strings.NewReplacer("{key}", "VARCHAR(255)", "{time}", "TIMESTAMPTZ(6)", "{table}", ""),
	sqlstore.MySQL: strings.NewReplacer("{key}", "VARCHAR(255)", "{time}", "DATETIME(6)",
		"{table}", "ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
	sqlstore.SQLite: strings.NewReplacer("{key}", "TEXT NOT NULL", "{time}", "TEXT", "{table}", ""),
}

// migrate makes fulfil's tables and the shop's own. Any number of processes may call it at once.
func (s *shop) migrate(ctx context.Context) error {
	if err := sqlstore.Migrate(ctx, s.db, s.dialect); err != nil {
		return err
	}
	if err := sqlreserver.Migrate(ctx, s.db, s.dialect); err != nil {
		return err
	}
	// The Store's InTx does not fit: MySQL commits every CREATE TABLE by itself, and InTx returns an error when its transaction
	// has ended.
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()                 // does nothing after the commit
	if s.dialect == sqlstore.Postgres { // two processes that make the same table collide; the other databases take turns
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(7467)`); err != nil {
			return err
		}
	}
	for _, table := range tables {
		if _, err := tx.ExecContext(ctx, words[s.dialect].Replace(table)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// fillShelves inserts the missing products with their stock. A product that exists stays as it is, even if its price or stock
// was changed by hand.
func (s *shop) fillShelves(ctx context.Context) error {
	insert := s.q(`INSERT INTO products (sku, position, name, about, price) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	if s.dialect == sqlstore.MySQL {
		insert = `INSERT IGNORE INTO products (sku, position, name, about, price) VALUES (?, ?, ?, ?, ?)`
	}
	return s.store.InTx(ctx, func(tx *sql.Tx) error {
		for i, p := range opening {
			result, err := tx.ExecContext(ctx, insert, p.SKU, i, p.Name, p.About, p.Price)
			if err != nil {
				return err
			}
			if added, err := result.RowsAffected(); err != nil {
				return err
			} else if added == 0 {
				continue
			}
			if err := s.stock.Set(ctx, tx, p.SKU, p.stock); err != nil {
				return err
			}
		}
		return nil
	})
}

// q replaces a query's question marks by the dialect's placeholders.
func (s *shop) q(query string) string { return s.dialect.Rebind(query) }
