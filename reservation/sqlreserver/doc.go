// Package sqlreserver keeps stock in PostgreSQL (12 or later), MySQL (8.0.16) or MariaDB (10.6), or SQLite (3.38), over
// plain database/sql and with any driver: what is held together with an order commits with it, or not at all. It works at
// the database's default isolation level, at READ COMMITTED and at SERIALIZABLE.
//
// Call [Migrate] at every start, tell the [Reserver] with Set what there is of each SKU, and give it to a Flow beside a
// Store on the same database, as the example shows.
//
// # Transactions
//
// Every method works in a transaction that the caller began, such as that of a merchant's own form for goods that came in.
// Use the InTx of the Store, or another that runs a transaction again after a deadlock or a serialization failure, and on
// SQLite one that waits for other writers: with a busy timeout, and not one that reads first and writes later.
//
// A call is a handful of statements, however many holds it is for. It locks first holds, by ID, then stock, by SKU, and
// last the lines of holds, by SKU and ID: calls do not deadlock each other. Several calls in one transaction may, if
// others make them in another order.
//
// A hold is claimed by inserting it, so that whoever holds the same ID meanwhile waits, then decided from stock rows that
// are locked, then written or taken out again. Commit locks no stock: recording a sale waits for nobody who is holding.
//
// # Tables
//
// fulfil_stock has a row per SKU, with what was ever stocked, less what went away without a sale, and what is taken of it:
// held or sold. fulfil_holds has a row per hold, for good, so that a repeated call is known as such. fulfil_held has the
// lines of the holds that stand: what is held of a SKU is their sum, and what else is taken was sold. So Stock and Set
// read as many rows of a SKU as there are customers paying for it now, however many were sold before.
//
//	SELECT s.sku, s.stocked - s.taken AS available, coalesce(sum(h.quantity), 0) AS held,
//	       s.taken - coalesce(sum(h.quantity), 0) AS sold
//	FROM fulfil_stock s LEFT JOIN fulfil_held h ON h.sku = s.sku GROUP BY s.sku, s.stocked, s.taken
//
// Keys and checks refuse stock below zero and a second hold of an ID whoever writes it. Change stock with Set and Adjust
// all the same, not by SQL: that neither goods nor sales are miscounted depends on all three tables.
package sqlreserver
