package licences

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "../../docs/licences.md"

var update = flag.Bool("update", false, "write docs/licences.md from the code")

const intro = `# Licences of the dependencies

fulfil has the MIT license. These modules are compiled into a program that imports a released module of this project, or that is one;
they are those on Linux, and what only tests need is not among them. ` + "`TestLicences`" + ` checks the list against the code and the licence files.
`

// Each dependency of a released module is listed with its licence, which is of a known kind.
func TestLicences(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(intro)
	for _, folder := range released(t) {
		module := strings.TrimSuffix("github.com/gofulfil/fulfil/"+folder, "/.")
		fmt.Fprintf(&text, "\n## %s\n\n| module | version | licence |\n|---|---|---|\n", module)
		dependencies := dependenciesOf(t, folder)
		require.NotEmpty(t, dependencies, folder)
		for _, d := range dependencies {
			fmt.Fprintf(&text, "| %s | %s | %s |\n", d.path, d.version, licenceOf(t, d.dir))
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(text.String()), 0o644))
	}
	listed, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, string(listed), text.String(), "run go test ./internal/licences -update")
}

// released returns the folders of the modules that others can require.
func released(t *testing.T) (folders []string) {
	t.Helper()
	work, err := os.ReadFile("../../go.work")
	require.NoError(t, err)
	for word := range strings.FieldsSeq(string(work)) {
		folder := filepath.ToSlash(filepath.Clean(word))
		private := strings.HasPrefix(folder, "internal/") || strings.HasPrefix(folder, "examples/")
		if strings.HasPrefix(word, ".") && !private {
			folders = append(folders, folder)
		}
	}
	require.Contains(t, folders, ".")
	return folders
}

type dependency struct{ path, version, dir string }

// dependenciesOf returns the modules of the packages that a module's packages import on Linux, without this project's.
func dependenciesOf(t *testing.T, folder string) (all []dependency) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}", "./...")
	cmd.Dir = filepath.Join("../..", folder)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOOS=linux", "GOARCH=amd64")
	out, err := cmd.Output()
	require.NoError(t, err, folder)
	lines := strings.Split(string(out), "\n")
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		fields := strings.Split(line, "\t")
		if line == "" || strings.HasPrefix(fields[0], "github.com/gofulfil/fulfil") {
			continue
		}
		all = append(all, dependency{fields[0], fields[1], fields[2]})
	}
	return all
}

// licenceOf returns the kind of the licence file of a module.
func licenceOf(t *testing.T, dir string) string {
	t.Helper()
	for _, name := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING", "License"} {
		file, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		text := strings.Join(strings.Fields(string(file)), " ")
		switch {
		case strings.Contains(text, "Apache License Version 2.0"):
			return "Apache-2.0"
		case strings.Contains(text, "Mozilla Public License"):
			return "MPL-2.0"
		case strings.Contains(text, "Redistribution and use in source and binary forms") && strings.Contains(text, "Neither the name"):
			return "BSD-3-Clause"
		case strings.Contains(text, "Redistribution and use in source and binary forms"):
			return "BSD-2-Clause"
		case strings.Contains(text, "Permission is hereby granted, free of charge, to any person obtaining a copy"):
			return "MIT"
		}
	}
	require.Fail(t, "the licence is of no known kind", dir)
	return ""
}
