package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// screen is the width of a browser's window, with or without JavaScript.
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

// walk runs a test on each screen. Without JavaScript the width makes no difference, so one is enough.
func walk(t *testing.T, do func(t *testing.T, s screen)) {
	t.Parallel()
	for _, s := range []screen{{390, true}, {390, false}, {1280, true}} {
		t.Run(s.String(), func(t *testing.T) { do(t, s) })
	}
}

// page is a tab of a new visitor. It shares nothing with other pages.
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

// run makes the driver run a command. args are pairs of name and value.
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

// fill fills in fields. pairs are labels and values.
func (p *page) fill(pairs ...string) {
	p.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		p.run("fill", "label", pairs[i], "value", pairs[i+1])
	}
}

func (p *page) press(button string) { p.t.Helper(); p.run("click", "role", "button", "name", button) }

func (p *page) follow(link string) { p.t.Helper(); p.run("click", "role", "link", "name", link) }

// tabTo presses Tab until the focus is on an element with this ID or text.
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
	require.Failf(p.t, "Tab does not reach the element", "%s; passed %q", element, passed)
}

// typeInto goes to fields by Tab and types into them. pairs are IDs and texts, in the sequence of the fields on the page.
func (p *page) typeInto(pairs ...string) {
	p.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		p.tabTo(pairs[i])
		p.run("key", "key", "Control+a") // the new text replaces the old
		p.run("type", "text", pairs[i+1])
	}
}

// enter goes to a button or a link by Tab, presses Enter and waits for the next page.
func (p *page) enter(name string) {
	p.t.Helper()
	p.tabTo(name)
	p.run("enter")
}

// audit holds the violations that axe-core found, in light and dark colors, and by how many pixels the page is too wide.
type audit struct {
	Found           []string
	Rules, Overflow int
}

// audit fails the test if a view breaks a rule of axe-core or is wider than the screen.
func (p *page) audit(view string) {
	p.t.Helper()
	var a audit
	p.get(&a, "audit")
	chromium.mu.Lock()
	chromium.views[view] = true
	chromium.audited++
	chromium.rules += a.Rules
	chromium.found += len(a.Found)
	chromium.mu.Unlock()
	if dir := os.Getenv("FULFIL_SCREENSHOTS"); dir != "" {
		p.run("screenshot", "path", filepath.Join(dir, strings.NewReplacer(" ", "-", "/", "_", ":", "", ",", "").Replace(view+" "+p.t.Name())))
	}
	// Not require: the test goes on, so that one run finds all violations.
	if len(a.Found) > 0 {
		p.t.Errorf("%s: axe-core:\n%s", view, strings.Join(a.Found, "\n"))
	}
	if a.Overflow > 0 {
		p.t.Errorf("%s: %d pixels wider than the screen", view, a.Overflow)
	}
	require.Greater(p.t, a.Rules, 10, "%s: axe-core applied too few rules", view)
}
