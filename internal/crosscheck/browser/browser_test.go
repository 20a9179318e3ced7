package browser

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
	"time"

	"github.com/gofulfil/fulfil/internal/crosscheck/internal/npm"
)

//go:embed driver.js
var driver []byte

// chromium is the browser of all tests.
var chromium browser

// browser is a driver's process. Its answers may come in any sequence.
type browser struct {
	version string
	cmd     *exec.Cmd
	in      io.WriteCloser
	stderr  strings.Builder
	ended   chan struct{} // closed when no more answers can come

	mu      sync.Mutex
	last    int
	waiting map[int]chan reply
	views   map[string]bool // audited so far
	audited int
	rules   int
	found   int
}

type reply struct {
	ID    int
	Value json.RawMessage
	Error string
}

// drive returns the command that runs the driver on program, a Chromium. Its last argument is how many milliseconds the browser
// may take to end before the driver kills it.
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
	in, err := b.cmd.StdinPipe()
	if err != nil {
		return err
	}
	b.in = in
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

// said returns the driver's complaints on one line. Call it after the driver has ended.
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

// quit ends the driver, which then ends the browser. It kills a driver that takes longer than limit. The browser ends when it
// notices that its driver is gone.
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

// do makes the driver run a command, and reads the command's value.
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
	return fmt.Sprintf("browser: Chromium %s: %d views, audited %d times in light and dark by %d rules that applied: %d violations",
		b.version, len(b.views), b.audited, b.rules, b.found)
}
