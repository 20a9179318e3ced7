package pages

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/judges/internal/npm"
)

//go:embed driver.js
var driver []byte

// chromium is the browser of all tests.
var chromium browser

// browser is a driver's process. Its answers come in any order.
type browser struct {
	version string
	cmd     *exec.Cmd
	in      io.WriteCloser
	stderr  strings.Builder
	ended   chan struct{} // closed when no answer comes any more

	mu      sync.Mutex
	last    int
	waiting map[int]chan reply
	views   map[string]bool // judged so far
	judged  int
	rules   int
	found   int
}

type reply struct {
	ID    int
	Value json.RawMessage
	Error string
}

// drive is the command that runs the driver on program, a Chromium. Its last argument is how long the browser may take to end
// before it is killed, in milliseconds.
func drive(dir string, packages npm.Packages, program string) (*exec.Cmd, error) {
	script := filepath.Join(dir, "driver.js")
	if err := os.WriteFile(script, driver, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(packages.Node, script, packages.Modules, program, "10000")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir)
	return cmd, nil
}

func (b *browser) start(cmd *exec.Cmd) error {
	b.cmd = cmd
	b.cmd.Stderr = &b.stderr
	var err error
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.cmd.Start(); err != nil {
		return err
	}
	first := make(chan reply, 1)
	b.waiting, b.views, b.ended = map[int]chan reply{0: first}, map[string]bool{}, make(chan struct{})
	go b.read(out)
	select {
	case r := <-first:
		return json.Unmarshal(r.Value, &b.version)
	case <-b.ended:
		_ = b.cmd.Wait()
		return fmt.Errorf("chromium does not start: %s", b.said())
	}
}

// said is what the driver complained of, on one line. It is to be read when the driver has ended.
func (b *browser) said() string { return strings.Join(strings.Fields(b.stderr.String()), " ") }

func (b *browser) read(out io.Reader) {
	defer close(b.ended)
	answers := json.NewDecoder(bufio.NewReader(out))
	for {
		var r reply
		if answers.Decode(&r) != nil {
			return
		}
		b.mu.Lock()
		b.waiting[r.ID] <- r
		delete(b.waiting, r.ID)
		b.mu.Unlock()
	}
}

// quit ends the driver, which ends the browser as soon as nothing more can come from here. A driver that takes longer than
// limit is killed; the browser ends when it finds its driver gone.
func (b *browser) quit(limit time.Duration) error {
	_ = b.in.Close()
	done := make(chan error, 1)
	go func() {
		<-b.ended
		done <- b.cmd.Wait()
	}()
	late := time.AfterFunc(limit, func() { _ = b.cmd.Process.Kill() })
	defer late.Stop()
	if err := <-done; err != nil {
		return fmt.Errorf("chromium's driver ended with %w: %s", err, b.said())
	}
	return nil
}

// do has the driver run a command, and reads its value.
func (b *browser) do(command string, args map[string]any, value any) error {
	line := map[string]any{"run": command}
	maps.Copy(line, args)
	mine := make(chan reply, 1)
	b.mu.Lock()
	b.last++
	line["id"] = b.last
	b.waiting[b.last] = mine
	text, err := json.Marshal(line)
	if err == nil {
		_, err = b.in.Write(append(text, '\n'))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case r := <-mine:
		if r.Error != "" {
			return errors.New(r.Error)
		}
		if value == nil {
			return nil
		}
		return json.Unmarshal(r.Value, value)
	case <-b.ended:
		return errors.New("the browser has ended")
	}
}

func (b *browser) figures() string {
	return fmt.Sprintf("pages: Chromium %s: %d views, judged %d times in light and dark by %d rules that applied: %d violations",
		b.version, len(b.views), b.judged, b.rules, b.found)
}

// screen is what a page is looked at with.
type screen struct {
	width int // pixels
	js    bool
}

func (s screen) String() string {
	if s.js {
		return fmt.Sprintf("%dpx", s.width)
	}
	return fmt.Sprintf("%dpx no JavaScript", s.width)
}

// walk runs a test on each screen.
func walk(t *testing.T, do func(t *testing.T, s screen)) {
	t.Parallel()
	for _, s := range []screen{{390, true}, {390, false}, {1280, true}, {1280, false}} {
		t.Run(s.String(), func(t *testing.T) { do(t, s) })
	}
}

// page is a visitor of their own: nothing is shared with other pages.
type page struct {
	t   *testing.T
	tab int
}

func (s screen) open(t *testing.T, url string) *page {
	t.Helper()
	p := &page{t: t}
	require.NoError(t, chromium.do("open", map[string]any{"width": s.width, "js": s.js}, &p.tab))
	t.Cleanup(func() { _ = chromium.do("close", map[string]any{"tab": p.tab}, nil) })
	p.run("goto", "url", url)
	return p
}

// run has the driver do something; args are pairs of name and value.
func (p *page) run(command string, args ...string) {
	p.t.Helper()
	p.get(nil, command, args...)
}

func (p *page) get(value any, command string, args ...string) {
	p.t.Helper()
	all := map[string]any{"tab": p.tab}
	for i := 0; i+1 < len(args); i += 2 {
		all[args[i]] = args[i+1]
	}
	if err := chromium.do(command, all, value); err != nil {
		var text string
		_ = chromium.do("text", map[string]any{"tab": p.tab}, &text)
		require.NoError(p.t, err, "%s %q on a page that says:\n%s", command, args, text)
	}
}

func (p *page) text() (text string) {
	p.t.Helper()
	p.get(&text, "text")
	return strings.Join(strings.Fields(text), " ")
}

func (p *page) url() (url string) {
	p.t.Helper()
	p.get(&url, "url")
	return url
}

func (p *page) status() (status int) {
	p.t.Helper()
	p.get(&status, "status")
	return status
}

// fill fills in fields: pairs of label and value.
func (p *page) fill(pairs ...string) {
	p.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		p.run("fill", "label", pairs[i], "value", pairs[i+1])
	}
}

func (p *page) press(button string) { p.t.Helper(); p.run("click", "role", "button", "name", button) }

func (p *page) follow(link string) { p.t.Helper(); p.run("click", "role", "link", "name", link) }

// tabTo presses Tab until an element has the keyboard: one with this id, or of this text.
func (p *page) tabTo(element string) {
	p.t.Helper()
	var passed []string
	for range 60 {
		p.run("key", "key", "Tab")
		var now string
		p.get(&now, "focused")
		if now == element {
			return
		}
		passed = append(passed, now)
	}
	require.Failf(p.t, "the keyboard does not reach it", "%s; passed %q", element, passed)
}

// keys types, and ends with Enter or another key if it is named.
func (p *page) keys(text, last string) {
	p.t.Helper()
	p.run("type", "text", text)
	if last != "" {
		p.run("key", "key", last)
	}
}

// judgement is what axe-core found, in light and dark colors, and by how many pixels the page is too wide.
type judgement struct {
	Found           []string
	Rules, Overflow int
}

// judge fails the test if a view breaks a rule of axe-core or is wider than the screen.
func (p *page) judge(view string) {
	p.t.Helper()
	var j judgement
	p.get(&j, "judge")
	chromium.mu.Lock()
	chromium.views[view] = true
	chromium.judged++
	chromium.rules += j.Rules
	chromium.found += len(j.Found)
	chromium.mu.Unlock()
	if dir := os.Getenv("FULFIL_SCREENSHOTS"); dir != "" {
		p.run("screenshot", "path", filepath.Join(dir, strings.NewReplacer(" ", "-", "/", "_").Replace(view+" "+p.t.Name())+".png"))
	}
	// Not require: the walk goes on, so that one run finds all there is.
	if len(j.Found) > 0 {
		p.t.Errorf("%s: axe-core:\n%s", view, strings.Join(j.Found, "\n"))
	}
	if j.Overflow > 0 {
		p.t.Errorf("%s: %d pixels wider than the screen", view, j.Overflow)
	}
	require.Greater(p.t, j.Rules, 10, "%s: axe-core looked at nothing", view)
}
