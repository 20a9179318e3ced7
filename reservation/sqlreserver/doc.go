// Package sqlreserver keeps stock in PostgreSQL (12 or later), MySQL (8.0.16) or MariaDB (10.6), or SQLite (3.38), over
// database/sql and any driver. A hold commits together with its order, or not at all. The package works at the database's
// default isolation level, at READ COMMITTED and at SERIALIZABLE.
//
// Call [Migrate] and [Reserver.SetNew] at every start, and give the [Reserver] to a Flow beside a Store on the same database, as
// the example shows. Package sqlstore says which settings of a connection suit, and what to set behind PgBouncer.
//
// # Transactions
//
// Every method works in a transaction of the caller's, such as the one in which a shop records goods that came in. Use InTx of
// the Store, or another function that runs a transaction again after a deadlock or a serialization failure. On SQLite, use
// a transaction that waits for other writers: one with a busy timeout that does not read before it writes.
//
// A call takes a handful of statements, however many holds it has. It locks holds first, by ID, then stock, by SKU, and last
// the lines of holds, by SKU and ID. So calls do not deadlock each other. Several calls in one transaction may, if other
// transactions make them in another order.
//
// Hold inserts a hold first, so that another transaction that takes the same ID waits. Then it decides from locked rows of
// stock, and writes the hold or removes it again. Commit locks no stock: recording a sale does not wait for a customer who is
// holding.
//
// # Tables
//
// fulfil_stock has a row per SKU. Its column stocked counts the goods that ever came in, less those that went away without a
// sale; taken counts those of them that are held or sold. fulfil_holds has a row per hold. It is never deleted, so that a
// repeated call is recognized. fulfil_held has the lines of the holds that stand. Their sum is the held quantity of a SKU, and
// the rest of taken is sold. So Stock and Set read one row for each customer who is paying, however many paid before.
//
//	SELECT s.sku, s.stocked - s.taken AS available, coalesce(sum(h.quantity), 0) AS held,
//	       s.taken - coalesce(sum(h.quantity), 0) AS sold
//	FROM fulfil_stock s LEFT JOIN fulfil_held h ON h.sku = s.sku GROUP BY s.sku, s.stocked, s.taken
//
// Keys and checks of the tables refuse stock below zero and a second hold of an ID, also from other programs. Change stock with
// Set and Adjust nevertheless: three tables must agree for goods and sales to be counted right.
package sqlreserver
