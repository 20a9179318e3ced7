package clustertest

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// disk is a small disk in memory that can be filled up.
type disk struct {
	t   testing.TB
	dir string
}

// newDisk mounts a disk of a number of megabytes for the account.
func newDisk(t testing.TB, a account, megabytes int) *disk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("run this scene as root, which may mount a small disk")
	}
	d := &disk{t: t, dir: a.folder(t)}
	require.NoError(t, syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=700,uid=%d,gid=%d", megabytes, a.uid, a.gid)))
	t.Cleanup(func() { _ = syscall.Unmount(d.dir, syscall.MNT_DETACH) })
	return d
}

func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill leaves no byte free.
func (d *disk) fill() {
	d.t.Helper()
	file, err := os.Create(d.filler())
	require.NoError(d.t, err)
	defer file.Close()
	for _, size := range []int{1 << 20, 1 << 12} {
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, size))
		}
		require.ErrorIs(d.t, err, syscall.ENOSPC)
	}
}

// free gives back what fill took.
func (d *disk) free() {
	d.t.Helper()
	if err := os.Remove(d.filler()); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.t.Error(err)
	}
}

//go:embed testdata/slowsync.c
var slowSyncSource []byte

// slowSync makes a server wait longer for its disk.
type slowSync struct {
	t   testing.TB
	dir string
}

// newSlowSync compiles the library that waits.
func newSlowSync(t testing.TB, a account) *slowSync {
	t.Helper()
	s := &slowSync{t: t, dir: a.folder(t)}
	source := filepath.Join(s.dir, "slowsync.c")
	require.NoError(t, os.WriteFile(source, slowSyncSource, 0o644))
	a.run(t, s.dir, "gcc", "-shared", "-fPIC", "-o", s.library(), source, "-ldl")
	return s
}

func (s *slowSync) library() string { return filepath.Join(s.dir, "slowsync.so") }
func (s *slowSync) setting() string { return filepath.Join(s.dir, "milliseconds") }

// env is the environment of a server that can be made slow.
func (s *slowSync) env() []string {
	return []string{"LD_PRELOAD=" + s.library(), "FULFIL_SLOW_SYNC=" + s.setting()}
}

// slow has each write to disk take so much longer.
func (s *slowSync) slow(milliseconds int) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(s.setting(), fmt.Append(nil, milliseconds), 0o644))
}

// fast ends that.
func (s *slowSync) fast() {
	s.t.Helper()
	require.NoError(s.t, os.Remove(s.setting()))
}
