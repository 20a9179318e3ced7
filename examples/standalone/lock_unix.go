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
