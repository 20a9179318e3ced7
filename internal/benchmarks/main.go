// Command benchmarks measures fulfil against what a developer would write by hand, and against the database's floor, in interleaved
// rounds, and writes the table into README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

// options are what the command was asked for.
type options struct {
	databases []string // of postgres, mysql, sqlite
	postgres  string   // DSNs of users who may create databases
	mysql     string
	delays    []time.Duration
	rounds    int
	length    time.Duration // of a round
	callers   int
	prepared  int // orders that each round of webhooks has
	pool      int // of the Flow
	best      int // best pool by hand
	skus      int // that are sold
	only      string
	sizes     []int         // of the shops of -growth; empty: that is not measured
	age       time.Duration // of the oldest order of such a shop
	soaking   time.Duration // 0: no soak
	sale      *sale         // nil: none
	nodes     []string      // addresses of a Galera cluster; empty: that is not measured
	receiving int           // times that receiving a webhook is measured; 0: that is not measured
	node      bool          // measure programs of Node.js
	sessions  int           // of the test Stripe; 0: that is not measured
	log       func(format string, args ...any)
}

func main() {
	var o options
	quick := flag.Bool("quick", false, "try everything in short rounds; the figures mean little")
	flash := flag.Bool("sale", true, "run the flash sale, at the longest delay")
	databases := flag.String("databases", "postgres,mysql,sqlite", "which databases, of postgres, mysql and sqlite; those without a DSN are left out")
	delays := flag.String("delays", "0s,1ms", "round trips to the database; SQLite has none")
	out := flag.String("out", "README.md", "the file whose table is replaced; empty: print it alone")
	flag.StringVar(&o.postgres, "postgres", os.Getenv("FULFIL_TEST_POSTGRES"), "DSN of PostgreSQL")
	flag.StringVar(&o.mysql, "mysql", os.Getenv("FULFIL_TEST_MYSQL"), "DSN of MySQL or MariaDB")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each contender")
	flag.DurationVar(&o.length, "length", time.Second, "length of a round")
	flag.IntVar(&o.callers, "callers", 64, "callers at once")
	flag.IntVar(&o.prepared, "prepared", 800, "orders that a round of webhooks has; a round ends when all are paid")
	flag.IntVar(&o.pool, "pool", 8, "connections of the Flow")
	flag.IntVar(&o.best, "best", 4, "connections of the best pool by hand; on SQLite it is 1")
	flag.StringVar(&o.only, "only", "", "only the rows whose name contains this")
	nodes := flag.String("galera", "", "measure nothing but Begin on a Galera cluster, whose nodes are at these addresses: host:port,host:port; user root without a password")
	flag.IntVar(&o.receiving, "webhooks", 0, "measure nothing but receiving a webhook, as many times: runs go test -bench twice, also with GOEXPERIMENT=jsonv2")
	flag.BoolVar(&o.node, "node", false, "measure nothing but programs of Node.js beside fulfil: a webhook's intake, and Medusa's inventory on PostgreSQL; npm installs them")
	flag.IntVar(&o.sessions, "teststripe", 0, "measure nothing but the test Stripe, in process and standalone, with as many paid sessions, such as 10000, and print it")
	sizes := flag.String("growth", "", "measure nothing but shops with as many orders, such as 10000,1000000, on PostgreSQL and SQLite, and print it")
	days := flag.Int("days", 90, "of -growth, the age of the oldest order in days; sweeps prune what is older than 45 days")
	flag.DurationVar(&o.soaking, "soak", 0, "do nothing but run a shop so long, as 10m, and fail if its memory grows or goroutines are left")
	flag.Parse()
	if o.sessions != 0 && o.sessions < 10 {
		fmt.Fprintln(os.Stderr, "benchmarks: -teststripe: give a number of 10 or more")
		os.Exit(2)
	}
	o.skus, o.age = 1000, time.Duration(*days)*24*time.Hour
	o.databases = strings.Split(*databases, ",")
	for text := range strings.SplitSeq(*delays, ",") {
		delay, err := time.ParseDuration(text)
		if err != nil {
			fmt.Fprintln(os.Stderr, "benchmarks: -delays:", err)
			os.Exit(2)
		}
		o.delays = append(o.delays, delay)
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		if text == "" {
			continue
		}
		size, err := strconv.Atoi(text)
		if err != nil || size < 100 {
			fmt.Fprintln(os.Stderr, "benchmarks: -growth: give numbers of 100 or more")
			os.Exit(2)
		}
		o.sizes = append(o.sizes, size)
	}
	if *nodes != "" {
		o.nodes = strings.Split(*nodes, ",")
	}
	if !o.wholeTable() {
		*out = ""
	}
	if *flash {
		o.sale = &sale{buyers: 20_000, items: 500, within: 3 * time.Second, paying: time.Second}
	}
	if *quick {
		o.rounds, o.length, o.prepared = 1, 200*time.Millisecond, 50
		if o.sale != nil {
			o.sale = &sale{buyers: 1000, items: 50, within: time.Second, paying: time.Second}
		}
	}
	began := time.Now()
	o.log = func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%4.0fs "+format+"\n", append([]any{time.Since(began).Seconds()}, args...)...)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	table, err := o.run(ctx)
	if err == nil && *out != "" {
		err = replaceBetweenMarks(*out, table)
	}
	if err != nil {
		fmt.Print(string(table))
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
	fmt.Print(string(table))
}

// wholeTable reports whether no other measurement was asked for.
func (o *options) wholeTable() bool {
	return len(o.sizes) == 0 && o.soaking == 0 && len(o.nodes) == 0 && o.receiving == 0 && !o.node && o.sessions == 0
}

// run measures everything and returns the Markdown.
func (o *options) run(ctx context.Context) ([]byte, error) {
	var r report
	r.line("\n%s", machine())
	if o.soaking == 0 && len(o.sizes) == 0 && o.sessions == 0 {
		r.line("%d callers, %d rounds of %v; medians of the rounds, p99 of all operations. The Flow has %d connections, the best pool by hand %d (on SQLite 1).",
			o.callers, o.rounds, o.length, o.pool, o.best)
	}
	var other func(context.Context, *report) error
	switch {
	case len(o.nodes) > 0:
		other = o.galera
	case o.receiving > 0:
		other = o.webhooks
	case o.node:
		other = o.nodePrograms
	case o.sessions > 0:
		other = o.testStripes
	}
	if other != nil {
		err := other(ctx, &r)
		return r.Bytes(), err
	}
	for _, kind := range o.databases {
		admin := map[string]string{"postgres": o.postgres, "mysql": o.mysql, "sqlite": "-"}[kind]
		if admin == "" {
			o.log("%s is left out: it has no DSN", kind)
			continue
		}
		if len(o.sizes) > 0 || o.soaking > 0 {
			if err := o.overTime(ctx, &r, kind, admin); err != nil {
				return r.Bytes(), fmt.Errorf("%s: %w", kind, err) // what is measured took long
			}
			continue
		}
		for i, delay := range o.delays {
			if kind == "sqlite" && delay != 0 {
				continue
			}
			last := i == len(o.delays)-1 || kind == "sqlite"
			if err := o.measure(ctx, &r, kind, admin, delay, last); err != nil {
				return nil, fmt.Errorf("%s, %v: %w", kind, delay, err)
			}
		}
	}
	return r.Bytes(), nil
}

// overTime measures one database for -growth and -soak.
func (o *options) overTime(ctx context.Context, r *report, kind, admin string) error {
	if len(o.sizes) > 0 && kind != "mysql" {
		if err := o.growth(ctx, r, kind, admin, o.sizes); err != nil {
			return err
		}
	}
	if o.soaking > 0 {
		return o.soak(ctx, r, kind, admin, o.soaking)
	}
	return nil
}

// measure measures one database at one delay.
func (o *options) measure(ctx context.Context, r *report, kind, admin string, delay time.Duration, withSale bool) error {
	d, err := newDatabase(ctx, kind, admin, delay)
	if err != nil {
		return err
	}
	defer d.drop()
	b, err := newBench(ctx, d, o)
	if err != nil {
		return err
	}
	defer b.close()
	r.heading(d)
	var rows []measured
	for _, row := range b.rows() {
		if !strings.Contains(row.name, o.only) {
			continue
		}
		o.log("%s, %v: %s", d.name, delay, row.name)
		results, err := compare(ctx, row.contenders, o.rounds, o.length)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		m := measured{row, map[string]*result{}}
		for i, result := range results {
			m.results[row.contenders[i].name] = result
			if result.failure != nil {
				o.log("%s of %s failed %d times, last: %v", row.contenders[i].name, row.name, result.failures, result.failure)
			}
		}
		rows = append(rows, m)
	}
	if len(rows) > 0 {
		r.rows(rows)
		r.bounds(rows)
	}
	if !withSale || o.sale == nil {
		return nil
	}
	o.log("%s, %v: flash sale", d.name, delay)
	fulfil, hand, err := flashSale(ctx, b, *o.sale, o.pool)
	if err != nil {
		return err
	}
	for _, s := range []*saleResult{fulfil, hand} {
		if s.failure != nil {
			o.log("flash sale: %d failed, last: %v", s.failures, s.failure)
		}
	}
	r.sale(d, *o.sale, fulfil, hand)
	if fulfil.sold > o.sale.items {
		return errors.New("benchmarks: fulfil sold more than there was")
	}
	return nil
}
