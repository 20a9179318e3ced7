package doctest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree holds the names that the documentation may use.
type tree struct {
	files map[string]bool // paths of files and folders, relative to the root, with slashes
	bases map[string]bool // the last elements of the paths of files
	tests map[string]bool // Test, Fuzz, Example and Benchmark functions, alone and as package.Name

	// names holds all declared names, also of methods and fields. exported holds the exported names as package.Name,
	// package.Type.Member and Type.Member. types holds the names of the packages and of the exported types.
	names, exported, types map[string]bool

	// embeds holds, by package.Type, the alias that a struct embeds, and aliases what an alias stands for: both as package.Type.
	embeds, aliases map[string]string

	variables map[string]bool // environment variables of this project
	docs      []document
}

// document is a text that people read.
type document struct {
	path string
	pkg  string // the package that the text documents; empty: none
	text string
}

func newTree() *tree {
	return &tree{
		files: map[string]bool{}, bases: map[string]bool{}, tests: map[string]bool{}, names: map[string]bool{},
		exported: map[string]bool{}, types: map[string]bool{}, variables: map[string]bool{},
		embeds: map[string]string{}, aliases: map[string]string{},
	}
}

var variable = regexp.MustCompile(`\bFULFIL_[A-Z_]+\b`)

// readTree reads the repository whose root is the folder root.
func readTree(t *testing.T, root string) *tree {
	t.Helper()
	tr := newTree()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		tr.files[relative] = true
		if entry.IsDir() {
			return nil
		}
		tr.bases[path.Base(relative)] = true
		return tr.read(relative, file)
	})
	require.NoError(t, err)
	return tr
}

// read reads one file into the tree.
func (tr *tree) read(relative, file string) error {
	dir, base := path.Split(relative)
	markdown := path.Ext(base) == ".md" && (dir == "" && base != "CHANGELOG.md" || dir == "docs/" || strings.HasPrefix(dir, "examples/"))
	goFile := path.Ext(base) == ".go"
	if !markdown && !goFile && dir != ".ci/" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if markdown {
		tr.docs = append(tr.docs, document{path: relative, text: string(text)})
		return nil
	}
	if dir != "internal/doctest/" { // this package names variables only for its tests
		for _, name := range variable.FindAllString(string(text), -1) {
			tr.variables[name] = true
		}
	}
	if !goFile || strings.Contains(dir, "testdata/") {
		return nil
	}
	return tr.declare(relative, text)
}

// declare adds the declarations of a Go file to the tree.
func (tr *tree) declare(relative string, text []byte) error {
	f, err := parser.ParseFile(token.NewFileSet(), relative, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	pkg := strings.TrimSuffix(f.Name.Name, "_test")
	tr.types[pkg] = true
	if f.Doc != nil && !strings.HasSuffix(relative, "_test.go") {
		tr.docs = append(tr.docs, document{path: relative, pkg: pkg, text: f.Doc.Text()})
	}
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && isTest.MatchString(d.Name.Name) && strings.HasSuffix(relative, "_test.go") {
				tr.tests[d.Name.Name], tr.tests[pkg+"."+d.Name.Name] = true, true
			}
			tr.name(pkg, receiver(d), d.Name.Name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					tr.name(pkg, "", s.Name.Name)
					tr.members(pkg, s)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						tr.name(pkg, "", name.Name)
					}
				}
			}
		}
	}
	return nil
}

var isTest = regexp.MustCompile(`^(Test|Fuzz|Example|Benchmark)([A-Z_]|$)`)

// members adds the fields and methods of a type to the tree.
func (tr *tree) members(pkg string, s *ast.TypeSpec) {
	var fields *ast.FieldList
	switch t := s.Type.(type) {
	case *ast.StructType:
		fields = t.Fields
		for _, field := range fields.List {
			if pointer, ok := field.Type.(*ast.StarExpr); ok && field.Names == nil {
				if embedded, ok := pointer.X.(*ast.Ident); ok {
					tr.embeds[pkg+"."+s.Name.Name] = pkg + "." + embedded.Name
				}
			}
		}
	case *ast.IndexExpr: // an alias of a generic type with a type argument
		if generic, ok := t.X.(*ast.SelectorExpr); ok && s.Assign.IsValid() {
			if from, ok := generic.X.(*ast.Ident); ok {
				tr.aliases[pkg+"."+s.Name.Name] = from.Name + "." + generic.Sel.Name
			}
		}
		return
	case *ast.InterfaceType:
		fields = t.Methods
	default:
		return
	}
	for _, field := range fields.List {
		for _, name := range field.Names {
			tr.name(pkg, s.Name.Name, name.Name)
		}
	}
}

// name adds a name to the tree: of a package's declaration or, if owner is not empty, of a member of that type.
func (tr *tree) name(pkg, owner, name string) {
	tr.names[name] = true
	if !ast.IsExported(name) {
		return
	}
	if owner == "" {
		tr.exported[pkg+"."+name] = true
		tr.types[name] = true
		return
	}
	tr.exported[pkg+"."+owner+"."+name], tr.exported[owner+"."+name] = true, true
}

// receiver returns the name of a method's type, or "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
