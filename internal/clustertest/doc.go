// Package clustertest sells on databases that fail: a primary that is killed, a standby that takes over, a pooler that restarts, a
// cluster with several writers.
//
// A test is a scene. It starts servers of its own on free ports, opens a shop of several processes, lets customers buy, and does
// something to the servers meanwhile. In the end it checks the books: every payment is fulfilled exactly once, nothing is oversold,
// no stock is left held, and the stock adds up.
//
// The scenes need PostgreSQL, MariaDB with Galera, rsync, PgBouncer and gcc as Debian packages them. So they are skipped unless
// FULFIL_TEST_CLUSTER=1 is set. Then they fail if a program is missing. Long scenes are skipped with -short, and those that fill a disk
// without root.
package clustertest
