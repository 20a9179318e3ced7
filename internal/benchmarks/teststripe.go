package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// testStripeKey is the key of the test server.
const testStripeKey = "sk_test_benchmark"

// A testStripe is a test server, in this process or as the program examples/standalone.
type testStripe struct {
	name   string
	client *http.Client
	api    string
	pay    func(ctx context.Context, session string) error
	pid    int    // of the process whose memory counts
	before uint64 // bytes that the process took before the first session
}

// testStripeTimes are what a test server took.
type testStripeTimes struct {
	first, last, look, sessions, events time.Duration // the first and last tenth, each session; looks at one; the whole lists
	resident, peak                      uint64        // bytes; 0: the system does not say
	file                                int64         // bytes of the state file; 0: there is none
	start                               time.Duration // of a program that has this state file
}

// testStripes makes, pays and looks at n sessions in process and over HTTP.
func (o *options) testStripes(ctx context.Context, r *report) error {
	dir, err := os.MkdirTemp("", "fulfil-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	inProcess, err := o.testStripeInProcess(ctx)
	if err != nil {
		return err
	}
	standalone, err := o.testStripeStandalone(ctx, dir)
	if err != nil {
		return err
	}
	r.line("\n### The test Stripe with %d paid sessions\n", o.sessions)
	r.line("| | in process | standalone, over HTTP |")
	r.line("|---|---|---|")
	row := func(name string, show func(t testStripeTimes) string) {
		r.line("| %s | %s | %s |", name, show(inProcess), show(standalone))
	}
	each := func(d time.Duration, of int) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000/float64(of)) }
	memory := func(bytes uint64) string {
		if bytes == 0 {
			return "–"
		}
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	row("make and pay one of the first tenth", func(t testStripeTimes) string { return each(t.first, o.sessions/10) })
	row("make and pay one of the last tenth", func(t testStripeTimes) string { return each(t.last, o.sessions/10) })
	row("look at one", func(t testStripeTimes) string { return each(t.look, o.sessions) })
	row("list all sessions, 100 on a page", func(t testStripeTimes) string { return fmt.Sprintf("%.1f s", t.sessions.Seconds()) })
	row("list all events, 100 on a page", func(t testStripeTimes) string { return fmt.Sprintf("%.1f s", t.events.Seconds()) })
	row("resident memory before the lists", func(t testStripeTimes) string { return memory(t.resident) })
	row("most resident memory", func(t testStripeTimes) string { return memory(t.peak) })
	row("state file, for each session", func(t testStripeTimes) string {
		if t.file == 0 {
			return "–"
		}
		return fmt.Sprintf("%d bytes", t.file/int64(o.sessions))
	})
	row("start with that file", func(t testStripeTimes) string {
		if t.file == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f s", t.start.Seconds())
	})
	return nil
}

func (o *options) testStripeInProcess(ctx context.Context) (testStripeTimes, error) {
	srv := checkouttest.NewServer(checkouttest.Config{Key: testStripeKey})
	defer srv.Close()
	srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return o.measureTestStripe(ctx, &testStripe{
		name: "test Stripe in process", client: &http.Client{Transport: srv.Transport()}, api: srv.URL(), pid: os.Getpid(),
		pay: func(_ context.Context, session string) error { return srv.Pay(session, checkouttest.CardOK) },
	})
}

// testStripeStandalone measures the program, with a state file, and how long it takes to start again with the file.
func (o *options) testStripeStandalone(ctx context.Context, dir string) (testStripeTimes, error) {
	program := filepath.Join(dir, "standalone")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./examples/standalone")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return testStripeTimes{}, fmt.Errorf("run it in internal/benchmarks: go build: %w: %s", err, out)
	}
	file := filepath.Join(dir, "state")
	p, err := startStandalone(ctx, program, file)
	if err != nil {
		return testStripeTimes{}, err
	}
	t, err := o.measureTestStripe(ctx, &testStripe{
		name: "standalone test Stripe", client: http.DefaultClient, api: p.api, pid: p.cmd.Process.Pid,
		pay: func(ctx context.Context, session string) error {
			return send(ctx, http.DefaultClient, http.MethodPost, p.control+"api/sessions/"+session+"/pay", `{"method": "4242424242424242"}`, nil)
		},
	})
	p.stop()
	if err != nil {
		return t, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return t, err
	}
	t.file = info.Size()
	began := time.Now()
	again, err := startStandalone(ctx, program, file)
	if err != nil {
		return t, err
	}
	t.start = time.Since(began)
	again.stop()
	return t, nil
}

// A standalone is the program, running.
type standalone struct {
	cmd          *exec.Cmd
	api, control string
}

// startStandalone starts the program and waits until it serves.
func startStandalone(ctx context.Context, program, file string) (*standalone, error) {
	p := &standalone{cmd: exec.CommandContext(ctx, program, "-addr", "127.0.0.1:0", "-control", "127.0.0.1:0", "-key", testStripeKey, "-data", file)}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
		name, value, _ := strings.Cut(lines.Text(), "  ")
		switch name {
		case "API base":
			p.api = strings.TrimSpace(value)
		case "Control page":
			p.control = strings.TrimSpace(value)
		}
	}
	if p.control == "" {
		p.stop()
		return nil, fmt.Errorf("benchmarks: %s said nothing of its control page", program)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return p, nil
}

func (p *standalone) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
}

// measureTestStripe makes, pays and looks at sessions.
func (o *options) measureTestStripe(ctx context.Context, s *testStripe) (t testStripeTimes, err error) {
	form := url.Values{
		"mode": {"payment"}, "success_url": {"https://shop.example/thanks"}, "client_reference_id": {"order-1"},
		"line_items[0][quantity]": {"1"}, "line_items[0][price_data][currency]": {"usd"}, "line_items[0][price_data][unit_amount]": {"1999"},
		"line_items[0][price_data][product_data][name]": {"T-shirt"},
	}.Encode()
	s.before, _ = memoryOf(s.pid)
	var ids []string
	tenth := o.sessions / 10
	began := time.Now()
	for i := range o.sessions {
		switch i {
		case tenth:
			t.first = time.Since(began)
			o.log("%s: %d sessions", s.name, i)
		case o.sessions - tenth:
			began = time.Now()
			o.log("%s: %d sessions", s.name, i)
		}
		var made struct{ ID string }
		if err := s.call(ctx, http.MethodPost, "/v1/checkout/sessions", form, &made); err != nil {
			return t, err
		}
		if err := s.pay(ctx, made.ID); err != nil {
			return t, err
		}
		ids = append(ids, made.ID)
	}
	t.last = time.Since(began)
	began = time.Now()
	for _, id := range ids {
		var looked struct {
			PaymentStatus string `json:"payment_status"`
		}
		if err := s.call(ctx, http.MethodGet, "/v1/checkout/sessions/"+id, "", &looked); err != nil {
			return t, err
		}
		if looked.PaymentStatus != "paid" {
			return t, fmt.Errorf("benchmarks: %s is %s", id, looked.PaymentStatus)
		}
	}
	t.look = time.Since(began)
	t.resident, _ = memoryOf(s.pid)
	o.log("%s: all of them looked at; %d bytes of resident memory for each", s.name, (t.resident-s.before)/uint64(o.sessions))
	if t.sessions, err = s.list(ctx, "/v1/checkout/sessions"); err != nil {
		return t, err
	}
	if t.events, err = s.list(ctx, "/v1/events"); err != nil {
		return t, err
	}
	_, t.peak = memoryOf(s.pid)
	return t, nil
}

// list reads a whole list, page after page.
func (s *testStripe) list(ctx context.Context, path string) (time.Duration, error) {
	began, after := time.Now(), ""
	for {
		var page struct {
			Data    []struct{ ID string }
			HasMore bool `json:"has_more"`
		}
		if err := s.call(ctx, http.MethodGet, path+"?limit=100"+after, "", &page); err != nil {
			return 0, err
		}
		if !page.HasMore {
			return time.Since(began), nil
		}
		after = "&starting_after=" + page.Data[len(page.Data)-1].ID
	}
}

func (s *testStripe) call(ctx context.Context, method, path, body string, answer any) error {
	return send(ctx, s.client, method, s.api+path, body, answer)
}

// send makes a request and decodes the answer, if answer is not nil.
func send(ctx context.Context, client *http.Client, method, url, body string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.SetBasicAuth(testStripeKey, "")
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("benchmarks: %s %s: %d: %s", method, url, response.StatusCode, raw)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(raw, answer)
}

// memoryOf returns how much resident memory a process takes, and the most that it took, in bytes. Only Linux says so; 0 elsewhere.
func memoryOf(pid int) (resident, peak uint64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			resident = kilobytes << 10
		case name == "VmHWM":
			peak = kilobytes << 10
		}
	}
	return resident, peak
}
