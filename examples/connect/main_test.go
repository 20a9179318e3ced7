package main

import (
	"testing"

	"github.com/gofulfil/fulfil/examples/internal/printed"
)

func TestConnectExample(t *testing.T) {
	t.Parallel()
	printed.InReadme(t, demo)
}
