// Package npm runs the cross-checks that need npm packages, if they are requested. It installs the packages that they pin.
package npm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// requestVariable requests the cross-checks if its value is 1.
const requestVariable = "FULFIL_CROSSCHECK"

// Run runs a cross-check if FULFIL_CROSSCHECK=1 requests it, and returns the exit status. Otherwise Run prints that the
// cross-check is skipped. If a requested cross-check returns an error, Run prints the error and returns 1.
func Run(name string, crosscheck func() (status int, err error)) (status int) {
	if os.Getenv(requestVariable) != "1" {
		fmt.Printf("%s: skipped, because %s=1 is not set; CONTRIBUTING.md says what it needs\n", name, requestVariable)
		return 0
	}
	status, err := crosscheck()
	if err != nil {
		fmt.Printf("%s, requested by %s=1: %v\n", name, requestVariable, err)
		return 1
	}
	return status
}

// Packages are installed npm packages and the program node.
type Packages struct {
	// Node is the path of the program.
	Node string
	// Modules is the path of the directory node_modules.
	Modules string
}

// Install installs the packages that package-lock.json pins below the folder fulfil of os.UserCacheDir, unless they are already
// there. It does not run their scripts.
func Install(packageJSON, packageLock []byte) (Packages, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return Packages{}, errors.New("node is not installed: install Node.js 20 or later, with npm")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return Packages{}, errors.New("npm is not installed: install it beside Node.js")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Packages{}, err
	}
	sum := sha256.Sum256(append(append([]byte{}, packageJSON...), packageLock...))
	dir := filepath.Join(cache, "fulfil", "crosscheck-"+hex.EncodeToString(sum[:8]))
	found := Packages{node, filepath.Join(dir, "node_modules")}
	if _, err := os.Stat(found.Modules); err == nil {
		return found, nil
	}
	return found, ci(npm, dir, map[string][]byte{"package.json": packageJSON, "package-lock.json": packageLock})
}

// ci installs into a new directory and then renames it to dir, so that dir is complete or missing.
func ci(npm, dir string, files map[string][]byte) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(fresh, name), content, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci, which needs the registry once: %w: %s", err, strings.Join(strings.Fields(string(out)), " "))
	}
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(filepath.Join(dir, "node_modules")); there == nil {
			return nil // another process was faster
		}
		return err
	}
	return nil
}
