//go:build !windows

package main

import (
	"os"
	"syscall"
)

// lock takes a file for this process. The lock ends with the process, however that ends.
func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// unlock gives the file up. Closing the file is not enough: a process that this one is starting has a copy of the open file until it
// runs its own program, and the lock lives as long as any copy.
func unlock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
}
