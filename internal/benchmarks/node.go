package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/webhook"
)

// nodeFiles are the programs of Node.js that fulfil is measured beside, each in a folder with its package.json.
//
//go:embed node
var nodeFiles embed.FS

// nodePrograms measures them.
func (o *options) nodePrograms(ctx context.Context, r *report) error {
	if err := o.intake(ctx, r); err != nil {
		return fmt.Errorf("intake: %w", err)
	}
	if o.postgres == "" {
		o.log("Medusa is left out: it needs PostgreSQL")
		return nil
	}
	if err := o.medusa(ctx, r); err != nil {
		return fmt.Errorf("medusa: %w", err)
	}
	return nil
}

// installNode installs a program and its packages below the user's cache directory, once, and returns its folder. The scripts of the
// packages do not run.
func installNode(ctx context.Context, name string) (dir string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum, files := sha256.New(), map[string][]byte{}
	for _, file := range []string{"package.json", "program.cjs"} {
		if files[file], err = nodeFiles.ReadFile("node/" + name + "/" + file); err != nil {
			return "", err
		}
	}
	_, _ = sum.Write(files["package.json"]) // hashes never fail
	dir = filepath.Join(cache, "fulfil", "benchmarks-"+name+"-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			return "", err
		}
	}
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	cmd := exec.CommandContext(ctx, "npm", "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install: %w: %s", err, strings.Join(strings.Fields(string(out)), " "))
	}
	return dir, os.WriteFile(done, nil, 0o644)
}

// intake compares receivers of webhooks that verify and decode an event, and do nothing with it, over HTTP.
func (o *options) intake(ctx context.Context, r *report) error {
	o.log("installing express and stripe-node")
	dir, err := installNode(ctx, "intake")
	if err != nil {
		return err
	}
	program := exec.CommandContext(ctx, "node", "program.cjs", webhookSecret)
	program.Dir, program.Stderr = dir, os.Stderr
	out, err := program.StdoutPipe()
	if err != nil {
		return err
	}
	if err := program.Start(); err != nil {
		return err
	}
	defer func() {
		_ = program.Process.Kill()
		_ = program.Wait() // it was killed
	}()
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the program did not say its port: %w", err)
	}
	hook, err := webhook.New(webhook.Config{Secrets: []string{webhookSecret}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	webhook.On(hook, webhook.CheckoutSessionCompleted, func(context.Context, *webhook.Event[stripe.CheckoutSession]) error { return nil })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: hook}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // until it is closed
	defer serving.Wait()
	defer server.Close()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.callers}}
	defer client.CloseIdleConnections()
	payload := event("evt_1", "cs_test_1", "paid")
	signature := delivery(payload).Header.Get("Stripe-Signature")
	post := func(address string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/stripe/webhook", bytes.NewReader(payload))
			if err != nil {
				return err
			}
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Stripe-Signature", signature)
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			answer, err := io.ReadAll(response.Body)
			if err == nil && response.StatusCode != http.StatusOK {
				err = fmt.Errorf("answered %d: %s", response.StatusCode, answer)
			}
			return err
		}
	}
	contenders := []*contender{
		{name: "fulfil", callers: o.callers, each: 1, op: post(listener.Addr().String())},
		{name: "Node.js, express and stripe-node", callers: o.callers, each: 1, op: post(net.JoinHostPort("127.0.0.1", strings.TrimSpace(port)))},
	}
	o.log("intake over HTTP")
	results, err := compare(ctx, contenders, o.rounds, o.length)
	if err != nil {
		return err
	}
	r.line("\n### Receiving a webhook over HTTP: verified, decoded, answered\n")
	r.line("fulfil shares its process with the callers; Node.js has one of its own.\n")
	r.line("| | units/s (p99 in ms) | fulfil, times as fast |")
	r.line("|---|---|---|")
	for i, c := range contenders {
		r.line("| %s | %s | %s |", c.name, cell(results[i]), ratio(results[0].median(), results[i].median()))
	}
	return errors.Join(results[0].failure, results[1].failure)
}

// reserved is how buyers of one SKU fared. The program of Medusa prints it.
type reserved struct {
	Seconds float64 `json:"seconds"`
	P99     float64 `json:"p99"` // in milliseconds
	Sold    int     `json:"sold"`
	Refused int     `json:"refused"`
	Failed  int     `json:"failed"`
	Failure string  `json:"failure"`
}

// medusa compares holding one SKU with Medusa's inventory module. There are twice as many buyers as items.
func (o *options) medusa(ctx context.Context, r *report) error {
	const items = 500
	buyers := 2 * items
	o.log("installing Medusa's inventory module")
	dir, err := installNode(ctx, "medusa")
	if err != nil {
		return err
	}
	theirs, err := newDatabase(ctx, "postgres", o.postgres, 0)
	if err != nil {
		return err
	}
	defer theirs.drop()
	o.log("Medusa: %d buyers for %d items", buyers, items)
	program := exec.CommandContext(ctx, "node", "program.cjs", theirs.direct, fmt.Sprint(o.callers), fmt.Sprint(buyers), fmt.Sprint(items), fmt.Sprint(o.pool))
	program.Dir, program.Stderr = dir, os.Stderr
	out, err := program.Output()
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var medusa reserved
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &medusa); err != nil {
		return fmt.Errorf("the program printed no result: %w", err)
	}
	ours, err := o.holdAlone(ctx, buyers, items)
	if err != nil {
		return err
	}
	r.line("\n### Holding one SKU: %d buyers for %d items, %d at once, %s\n", buyers, items, o.callers, theirs.name)
	r.line("Each buyer has a transaction of its own, in a pool of %d connections. Medusa's own checkout takes a lock around this call.\n", o.pool)
	r.line("| | units/s (p99 in ms) | held | oversold | refused | failed |")
	r.line("|---|---|---|---|---|---|")
	for _, one := range []struct {
		name string
		of   reserved
	}{{"fulfil, Reserver", ours}, {"Medusa, inventory module", medusa}} {
		r.line("| %s | %s (%.1f) | %d | %d | %d | %d |", one.name, perSecond(float64(buyers)/one.of.Seconds), one.of.P99,
			one.of.Sold, max(0, one.of.Sold-items), one.of.Refused, one.of.Failed)
		if one.of.Failed > 0 {
			o.log("%s failed %d times, last: %s", one.name, one.of.Failed, one.of.Failure)
		}
	}
	return nil
}

// holdAlone has buyers hold one SKU, each in a transaction of its own.
func (o *options) holdAlone(ctx context.Context, buyers, items int) (reserved, error) {
	d, err := newDatabase(ctx, "postgres", o.postgres, 0)
	if err != nil {
		return reserved{}, err
	}
	defer d.drop()
	pool, err := d.openPgx(ctx, o.pool)
	if err != nil {
		return reserved{}, err
	}
	defer pool.Close()
	direct, err := d.openDirect()
	if err != nil {
		return reserved{}, err
	}
	defer direct.Close()
	if err := migrateOurs(ctx, d, direct); err != nil {
		return reserved{}, err
	}
	shop, err := newOursOnPgx(d, pool, &stubStripe{})
	if err != nil {
		return reserved{}, err
	}
	if err := shop.stock(ctx, int64(items), hotSKU); err != nil {
		return reserved{}, err
	}
	var mu sync.Mutex
	var next int
	var latencies []time.Duration
	var answer reserved
	began := time.Now()
	var callers sync.WaitGroup
	for range o.callers {
		callers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= buyers {
					return
				}
				start := time.Now()
				err := shop.hold(ctx, reservation.Hold{ID: fmt.Sprint("hold-", i), Lines: []reservation.Line{{SKU: hotSKU, Quantity: 1}}})
				took := time.Since(start)
				var short *reservation.ShortageError
				mu.Lock()
				latencies = append(latencies, took)
				switch {
				case err == nil:
					answer.Sold++
				case errors.As(err, &short):
					answer.Refused++
				default:
					answer.Failed, answer.Failure = answer.Failed+1, err.Error()
				}
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	answer.Seconds, answer.P99 = time.Since(began).Seconds(), float64(p99(latencies))/float64(time.Millisecond)
	return answer, nil
}
