package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/report.md")

// Each form of a cassette is read as the same two interactions.
func TestForms(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/formats/*")
	require.NoError(t, err)
	require.Len(t, files, 9)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			interactions, err := parse(filepath.Ext(file), content)
			require.NoError(t, err)
			require.Len(t, interactions, 2)
			for n, at := range []int{0, 1} {
				require.WithinDuration(t, time.Date(2025, 9, 2, 10, 0, at, 0, time.UTC), interactions[n].at, 0)
				interactions[n].at = time.Time{}
			}
			created := interaction{
				method: "POST", path: "/v1/customers", body: "name=Shop&metadata[k]=a%26b", contentType: "application/x-www-form-urlencoded",
				idemKey: "key-1", account: "acct_FormTest0001", status: 200, version: "2025-08-27.basil",
				answer: map[string]any{"id": "cus_FormTest0001", "object": "customer", "name": "Shop"},
			}
			if strings.HasPrefix(filepath.Base(file), "php") { // which keeps the parameters, and not their encoding
				created.body = "metadata%5Bk%5D=a%26b&name=Shop"
			}
			require.Equal(t, created, interactions[0])
			require.Equal(t, interaction{
				method: "DELETE", path: "/v1/customers/cus_FormTest0001", query: "expand[]=x", status: 200, version: "2025-08-27.basil",
				answer: map[string]any{"id": "cus_FormTest0001", "object": "customer", "deleted": true},
			}, interactions[1])
		})
	}
}

// The report of cassettes with each kind of difference, and each reason to leave a request out, is the one in testdata/report.md.
func TestReport(t *testing.T) {
	t.Parallel()
	var written bytes.Buffer
	require.NoError(t, run([]string{"-rows", "0", "-examples", "-replace", "<MASKED>=1", "testdata/cassettes"}, &written))
	const page = "testdata/report.md"
	if *update {
		require.NoError(t, os.WriteFile(page, written.Bytes(), 0o644))
	}
	expected, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, string(expected), written.String(), "run go test ./internal/crosscheck/replay -update")
}

func TestRowsAndSince(t *testing.T) {
	t.Parallel()
	var written bytes.Buffer
	require.NoError(t, run([]string{"-rows", "1", "-since", "2025-01-01", "-replace", "<MASKED>=1", "testdata/cassettes"}, &written))
	require.Contains(t, written.String(), "| left out: the request is older than -since |")
	require.Len(t, regexp.MustCompile(`(?m)^\| \d+ \| (GET|POST|product) .*\|$`).FindAllString(written.String(), -1), 2, "one row of each table of differences")
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	broken := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(broken, "a.json"), []byte(`{"uri": "https://api.stripe.com`), 0o644))
	require.ErrorContains(t, run(nil, nil), "name the folders")
	require.ErrorContains(t, run([]string{empty}, nil), "no file of these folders")
	require.ErrorContains(t, run([]string{broken}, nil), "a.json")
	require.ErrorContains(t, run([]string{"-replace", "x", empty}, nil), "OLD=NEW")
}
