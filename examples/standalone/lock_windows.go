package main

import (
	"os"
	"syscall"
	"unsafe"
)

const (
	failImmediately = 1
	exclusive       = 2
)

var (
	kernel       = syscall.NewLazyDLL("kernel32.dll")
	lockFileEx   = kernel.NewProc("LockFileEx")
	unlockFileEx = kernel.NewProc("UnlockFileEx")
)

// place is the byte that is locked. It lies far behind the end of the file, as Windows keeps others from reading what is locked.
func place() *syscall.Overlapped { return &syscall.Overlapped{OffsetHigh: 1 << 30} }

// lock takes a file for this process. The lock ends with the process, however that ends.
func lock(file *os.File) error {
	ok, _, err := lockFileEx.Call(file.Fd(), failImmediately|exclusive, 0, 1, 0, uintptr(unsafe.Pointer(place())))
	if ok == 0 {
		return err
	}
	return nil
}

// unlock gives the file up at once. After a mere close, Windows takes its time.
func unlock(file *os.File) error {
	ok, _, err := unlockFileEx.Call(file.Fd(), 0, 1, 0, uintptr(unsafe.Pointer(place())))
	if ok == 0 {
		return err
	}
	return nil
}
