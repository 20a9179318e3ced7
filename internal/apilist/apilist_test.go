package apilist

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root    = "../.."
	listing = "api.txt"
)

var update = flag.Bool("update", false, "write api.txt from the code")

// The exported API is the one of api.txt. A change of the API is committed together with its lines in api.txt.
func TestAPI(t *testing.T) {
	t.Parallel()
	var list bytes.Buffer
	for _, folder := range packages(t) {
		lines := exported(t, folder)
		if len(lines) == 0 {
			continue
		}
		name := filepath.ToSlash(folder)
		fmt.Fprintf(&list, "package %s\n%s\n\n", name, strings.Join(lines, "\n"))
	}
	if *update {
		require.NoError(t, os.WriteFile(listing, list.Bytes(), 0o644))
	}
	recorded, err := os.ReadFile(listing)
	require.NoError(t, err)
	require.Equal(t, string(recorded), list.String(), "the exported API has changed: run go test ./internal/apilist -update, and say in CHANGELOG.md what changed")
}

// packages returns the folders of the packages that others can import.
func packages(t *testing.T) (folders []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		folder, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch name := entry.Name(); {
		case folder != "." && strings.HasPrefix(name, "."), name == "internal", name == "testdata", folder == "cmd", folder == "examples":
			return fs.SkipDir
		}
		folders = append(folders, folder)
		return nil
	}))
	return folders
}

// exported returns a line for each exported name of a package, in order.
func exported(t *testing.T, folder string) (lines []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		if file.Name.Name == "main" || !ast.FileExports(file) {
			continue
		}
		for _, decl := range file.Decls {
			lines = append(lines, linesOf(t, decl)...)
		}
	}
	slices.Sort(lines)
	return lines
}

// linesOf returns the lines of one declaration.
func linesOf(t *testing.T, decl ast.Decl) (lines []string) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		decl.Body = nil
		lines = append(lines, source(t, decl))
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				if decl.Tok == token.VAR {
					spec.Values = nil
				}
				lines = append(lines, decl.Tok.String()+" "+source(t, spec))
			case *ast.TypeSpec:
				lines = append(lines, typeLines(t, spec)...)
			}
		}
	}
	return lines
}

// typeLines returns the line of a type, and one for each field of a struct and each method of an interface.
func typeLines(t *testing.T, spec *ast.TypeSpec) (lines []string) {
	var members *ast.FieldList
	var sort string
	switch typ := spec.Type.(type) {
	case *ast.StructType:
		members, sort = typ.Fields, "field"
		typ.Fields = &ast.FieldList{}
	case *ast.InterfaceType:
		members, sort = typ.Methods, "method"
		typ.Methods = &ast.FieldList{}
	}
	lines = append(lines, "type "+source(t, spec))
	if members == nil {
		return lines
	}
	for _, member := range members.List {
		lines = append(lines, fmt.Sprintf("%s %s.%s", sort, spec.Name.Name, source(t, member)))
	}
	return lines
}

var space = regexp.MustCompile(`\s+`)

// source prints a node on one line, without comments.
func source(t *testing.T, node any) string {
	t.Helper()
	var text bytes.Buffer
	switch node := node.(type) {
	case *ast.Field: // the printer takes no field alone
		var names []string
		for _, name := range node.Names {
			names = append(names, name.Name)
		}
		text.WriteString(strings.Join(names, ", ") + " " + source(t, node.Type))
		if node.Tag != nil {
			text.WriteString(" " + node.Tag.Value)
		}
	default:
		require.NoError(t, printer.Fprint(&text, token.NewFileSet(), node))
	}
	return strings.TrimSpace(space.ReplaceAllString(text.String(), " "))
}
