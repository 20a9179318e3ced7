// Package sqlreserver keeps stock in PostgreSQL 12, MySQL 8.0.16, MariaDB 10.6 or SQLite 3.38, or later versions, over
// database/sql and any driver. A hold commits together with its order, or not at all. The package works at the database's
// default isolation level, at READ COMMITTED and at SERIALIZABLE.
//
// Call [Migrate] and [Reserver.SetNew] at every start. Give a Flow the [Reserver] and a Store on the same database, as the example
// shows. Package sqlstore says which settings a connection needs, also behind PgBouncer.
//
// # Transactions
//
// Every method works in a transaction of the caller's, such as the one in which a shop records incoming goods. Use InTx of the
// Store, or another function that runs a transaction again after a deadlock or a serialization failure. On SQLite, use a
// transaction that waits for other writers: set a busy timeout, and write before you read.
//
// On PostgreSQL a call is one statement, however many holds it has, and a Hold of which not every part fits is two. On MySQL,
// MariaDB and SQLite a call takes up to six statements. It first locks holds by ID, then stock by SKU, and last the lines of holds.
// So single calls do not deadlock each other. Transactions with several calls may deadlock if they make them in different
// sequences.
//
// Hold first inserts the hold, so that another transaction with the same ID waits. Then it locks the stock, decides, and keeps
// the hold or deletes it again. Commit locks no stock: a sale does not wait for transactions that hold the same SKU.
//
// A Reserver that has a database by [Reserver.WithDB] can also tell before any transaction that a hold would be refused. A Flow
// uses that for what is sold out.
//
// # Tables
//
//   - fulfil_stock has a row per SKU. The column stocked is the number of units that ever came in, less those that went away
//     without a sale. The column taken is the number of those units that are held or sold.
//   - fulfil_holds has a row per hold. The row stays when the hold has ended, so that a repeated call is recognized, until
//     [Reserver.Forget] deletes it. A Flow has the holds of orders forgotten that are 45 days old.
//   - fulfil_held has the lines of the holds that are neither sold nor released. Their sum is the held quantity of a SKU, and the
//     rest of taken is sold. So Stock and Set read one row for each customer who is paying, however many have paid before.
//
// This query shows the stock:
//
//	SELECT s.sku, s.stocked - s.taken AS available, coalesce(sum(h.quantity), 0) AS held,
//	       s.taken - coalesce(sum(h.quantity), 0) AS sold
//	FROM fulfil_stock s LEFT JOIN fulfil_held h ON h.sku = s.sku GROUP BY s.sku, s.stocked, s.taken
//
// The tables' constraints refuse stock below zero and a second hold with the same ID, even from other programs. Still, change stock
// only with Set and Adjust: the counts are right only if all three tables agree.
package sqlreserver
