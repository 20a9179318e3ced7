package pages

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed npm/package.json
var packageJSON []byte

//go:embed npm/package-lock.json
var packageLock []byte

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fulfil-pages-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = prepare(dir)
	}
	if err != nil {
		fmt.Printf("pages: the pages are not judged: %v\n", err)
		if os.Getenv("FULFIL_REQUIRE_JUDGES") == "1" {
			return 1
		}
		return 0
	}
	code := m.Run()
	if err := chromium.quit(); err != nil && code == 0 {
		fmt.Println("pages:", err)
		code = 1
	}
	fmt.Println(chromium.figures())
	return code
}

// prepare installs the packages and starts the browser. dir is for what it leaves behind.
func prepare(dir string) error {
	node, err := exec.LookPath("node")
	if err != nil {
		return errors.New("node is not installed")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm is not installed")
	}
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if program, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		return errors.New("chromium is not installed")
	}
	modules, err := install(npm)
	if err != nil {
		return err
	}
	programs.dir = dir
	return chromium.start(dir, node, modules, program)
}

// install puts the pinned packages into the user's cache directory, unless they are there, and runs none of their scripts.
func install(npm string) (modules string, _ error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(append([]byte{}, packageJSON...), packageLock...))
	dir := filepath.Join(cache, "fulfil", "judges-"+hex.EncodeToString(sum[:8]))
	modules = filepath.Join(dir, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	for name, content := range map[string][]byte{"package.json": packageJSON, "package-lock.json": packageLock} {
		if err := os.WriteFile(filepath.Join(fresh, name), content, 0o644); err != nil {
			return "", err
		}
	}
	cmd := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %s", err, strings.Join(strings.Fields(string(out)), " "))
	}
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(modules); there == nil {
			return modules, nil // another process was faster
		}
		return "", err
	}
	return modules, nil
}
