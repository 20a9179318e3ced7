package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/go-sql-driver/mysql"
)

const (
	eachNodeName   = "a Flow on each node"
	oneNodeName    = "one Flow on one node"
	uncombinedName = "a Flow for each caller"
)

// galera measures Begin of one hot SKU on a MariaDB Galera cluster. Its nodes find out only at COMMIT that they changed the same row,
// and all but one of them start again. Callers of one Flow share transactions, so that fewer of these meet. With a Flow for each
// caller, no two share one.
func (o *options) galera(ctx context.Context, r *report) error {
	addresses := o.nodes
	d, err := newDatabase(ctx, "mysql", "root@tcp("+addresses[0]+")/", 0)
	if err != nil {
		return err
	}
	defer d.drop()
	dsns, pools := []string{}, []*sql.DB{}
	defer func() {
		for _, db := range pools {
			_ = db.Close()
		}
	}()
	for _, address := range addresses {
		c, err := mysql.ParseDSN(d.direct)
		if err != nil {
			return err
		}
		c.Addr = address
		dsns = append(dsns, c.FormatDSN())
	}
	open := func(node, conns int) (*sql.DB, error) {
		db, err := openPool("mysql", dsns[node%len(dsns)], conns)
		if err == nil {
			pools = append(pools, db)
			err = warm(ctx, db)
		}
		return db, err
	}
	first, err := open(0, 1)
	if err != nil {
		return err
	}
	stub := &stubStripe{}
	hand := newByHand(d, first, stub)
	if err := errors.Join(migrateOurs(ctx, d, first), migrateByHand(ctx, first), hand.stock(ctx, plenty, hotSKU)); err != nil {
		return err
	}
	preparing, err := newOurs(d, first, stub)
	if err != nil {
		return err
	}
	if err := preparing.stock(ctx, plenty, hotSKU); err != nil {
		return err
	}
	for _, dsn := range dsns { // until each node has applied that
		query := "SELECT COUNT(*) FROM fulfil_stock"
		if err := inAdmin(ctx, "mysql", dsn+"&wsrep_sync_wait=1", query); err != nil {
			return err
		}
	}
	var n atomic.Int64
	id := func() string { return fmt.Sprintf("order-%d", n.Add(1)) }
	shops := func(name string, count, nodes, conns int) (*contender, error) {
		free := make(chan *ours, o.callers) // a caller has a Flow for itself, or shares it evenly
		var all []*ours
		for i := range count {
			db, err := open(i%nodes, conns)
			if err != nil {
				return nil, err
			}
			shop, err := newOurs(d, db, stub)
			if err != nil {
				return nil, err
			}
			all = append(all, shop)
		}
		for i := range o.callers {
			free <- all[i%count]
		}
		return &contender{name: name, callers: o.callers, each: 1, op: func(ctx context.Context) error {
			shop := <-free
			defer func() { free <- shop }()
			_, err := shop.begin(ctx, id(), hotSKU)
			return err
		}}, nil
	}
	eachNode, err := shops(eachNodeName, len(dsns), len(dsns), o.pool)
	if err != nil {
		return err
	}
	oneNode, err := shops(oneNodeName, 1, 1, o.pool)
	if err != nil {
		return err
	}
	uncombined, err := shops(uncombinedName, o.callers, len(dsns), 1)
	if err != nil {
		return err
	}
	var hands []*byHand
	for node := range dsns {
		db, err := open(node, o.best)
		if err != nil {
			return err
		}
		hands = append(hands, newByHand(d, db, stub))
	}
	byHand := &contender{name: handName + " on each node", callers: o.callers, each: 1, op: func(ctx context.Context) error {
		i := n.Add(1)
		_, err := hands[i%int64(len(hands))].begin(ctx, fmt.Sprintf("hand-%d", i), hotSKU)
		return err
	}}
	contenders := []*contender{eachNode, oneNode, uncombined, byHand}
	o.log("Galera, %d nodes: Begin of one hot SKU", len(dsns))
	results, err := compare(ctx, contenders, o.rounds, o.length)
	if err != nil {
		return err
	}
	r.line("\n### Galera, %d nodes: Begin of one hot SKU, %s\n", len(dsns), strings.TrimPrefix(d.name, "MariaDB or MySQL "))
	r.line("| | units/s (p99 in ms) | times as fast as %s | bound |", uncombinedName)
	r.line("|---|---|---|---|")
	slow := results[2].median()
	for i, c := range contenders {
		least, text := 0.0, ""
		if i < 2 {
			least, text = 5, "≥ 5"
		}
		r.line("| %s | %s | %s | %s |", c.name, cell(results[i]), judged(results[i].median()/slow, least, 0), text)
		if results[i].failure != nil {
			o.log("%s failed %d times, last: %v", c.name, results[i].failures, results[i].failure)
		}
	}
	return nil
}
