package clustertest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// scene skips a test unless the scenes were asked for. A long one is skipped with -short.
func scene(t *testing.T, long bool) {
	t.Helper()
	if os.Getenv("FULFIL_TEST_CLUSTER") == "" {
		t.Skip("set FULFIL_TEST_CLUSTER=1 to start servers and to have them fail")
	}
	if long && testing.Short() {
		t.Skip("takes too long for -short")
	}
}

// startTime is how long a server may take to start or to join its cluster.
const startTime = 3 * time.Minute

// account is the user of the system that servers run as. Neither PostgreSQL nor MariaDB runs as root.
type account struct {
	name     string
	uid, gid int
}

// accountOf returns the user of a name, or the user of this process unless that is root.
func accountOf(t testing.TB, name string) account {
	t.Helper()
	if os.Getuid() != 0 {
		return account{"", os.Getuid(), os.Getgid()}
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("install the server whose user is %s: %v", name, err)
	}
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	if uidErr != nil || gidErr != nil {
		t.Fatalf("user %s has ID %s and group %s", name, u.Uid, u.Gid)
	}
	return account{name, uid, gid}
}

// folder makes a folder that the account owns and that is removed after the test.
func (a account) folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fulfil-cluster-")
	if err == nil {
		err = os.Chown(dir, a.uid, a.gid)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// command prepares a program to run as the account.
func (a account) command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir, "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if a.name != "" {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return cmd
}

// run runs a program to its end.
func (a account) run(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	if out, err := a.command(dir, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// program is a server that runs.
type program struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	out   *output
	ended chan struct{}
}

// start starts a server, with env beside the usual environment. It is killed after the test, and its output is shown if the test
// failed.
func (a account) start(t testing.TB, dir string, env []string, name string, args ...string) *program {
	t.Helper()
	p := &program{t: t, name: filepath.Base(name), cmd: a.command(dir, name, args...), out: &output{}, ended: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the end of the output of %s:\n%s", p.name, p.out.end())
		}
	})
	return p
}

// signal sends a signal to the server's first process.
func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Errorf("%s to %s: %v", s, p.name, err)
	}
}

// stop ends the server by a signal and waits for its end.
func (p *program) stop(s syscall.Signal) {
	p.t.Helper()
	p.signal(s)
	select {
	case <-p.ended:
	case <-time.After(startTime):
		p.t.Errorf("%s does not end after %s", p.name, s)
		p.kill()
	}
}

// running reports whether the server has not ended.
func (p *program) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends the server and its children at once, as the loss of the machine does, and waits for their end.
func (p *program) kill() {
	if !p.running() {
		return // its number may be another program's now
	}
	children := childrenOf(p.cmd.Process.Pid)
	_ = p.cmd.Process.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.ended
}

// childrenOf returns the children of a process.
func childrenOf(pid int) (children []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the process has ended
		}
		_, after, _ := strings.Cut(string(stat), ") ") // the name of the program stands in parentheses
		fields := strings.Fields(after)
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			children = append(children, child)
		}
	}
	return children
}

// output keeps what a server writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// has reports whether text was written.
func (o *output) has(text string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Contains(o.text.Bytes(), []byte(text))
}

// end returns the last part of the output.
func (o *output) end() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.text.String()
	return text[max(0, len(text)-4000):]
}

// ports are the ports that were given out, so that no two servers of a test get the same one.
var ports = struct {
	mu    sync.Mutex
	given map[int]bool
}{given: map[int]bool{}}

// freePort returns a port on which nothing listens. Its range lies below those from which systems take the ports of outgoing
// connections, so that no other program gets the port while its server is down.
func freePort(t testing.TB) int {
	t.Helper()
	ports.mu.Lock()
	defer ports.mu.Unlock()
	for range 1000 {
		port := 20_000 + rand.IntN(10_000)
		if ports.given[port] {
			continue
		}
		listener, err := net.Listen("tcp", address(port))
		if err != nil {
			continue // another program has it
		}
		_ = listener.Close()
		ports.given[port] = true
		return port
	}
	t.Fatal("no port from 20000 to 29999 is free")
	return 0
}

// address is a port of this machine.
func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// await waits until ready returns nil.
func await(t testing.TB, what string, ready func() error) {
	t.Helper()
	for deadline := time.Now().Add(startTime); ; time.Sleep(20 * time.Millisecond) {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}
