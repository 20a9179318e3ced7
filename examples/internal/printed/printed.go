// Package printed keeps the output in an example's README true.
package printed

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
)

// InReadme fails unless demo succeeds and what it prints is the text block of README.md, word for word.
func InReadme(t *testing.T, demo func(out io.Writer) error) {
	t.Helper()
	var out bytes.Buffer
	if err := demo(&out); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```text\n")
	block, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("README.md has no text block")
	}
	if block != out.String() {
		t.Fatalf("README.md shows:\n%s\nThe program prints:\n%s", block, out.String())
	}
}
