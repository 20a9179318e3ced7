// Command majors rehearses the move of the library to another major version of stripe-go. It copies the root module into a
// temporary folder, changes there what each major since v82 changed, and builds and tests the copy:
//
//	go run ./internal/majors -stripe v85.0.0
//	go run ./internal/majors -stripe v85.0.0 ./webhook ./checkout/checkouttest
//
// It runs in the root folder of the repository and needs the module proxy. It prints how many lines each change touched, and fails if
// the copy does not build or a test fails. docs/majors.md says what the rehearsals found.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// current is the major version of stripe-go that the library requires.
const current = "v82"

// change is what a major version of stripe-go asks of the library's source text.
type change struct {
	since int // the first major version that asks for it
	what  string
	old   *regexp.Regexp
	new   string
}

var changes = []change{
	{85, "lists are structs, and their method All is ranged over",
		regexp.MustCompile(`(?m)(range .*\.V[12]\w+\.List\w*\(([^,\n]+), .*\)) \{$`), "$1.All($2) {"},
	{85, "events_from of an event destination is a list of strings",
		regexp.MustCompile(`\[\]stripe\.V2EventDestinationEventsFrom`), "[]string"},
	{83, "event destinations have the prefix V2Core",
		regexp.MustCompile(`stripe\.V2EventDestination`), "stripe.V2CoreEventDestination"},
}

func main() {
	log.SetFlags(0)
	version := flag.String("stripe", "", "the `version` of stripe-go to rehearse, such as v85.0.0")
	keep := flag.Bool("keep", false, "keep the changed copy and print its folder")
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = []string{"./webhook", "./checkout"}
	}
	if err := rehearse(*version, *keep, packages); err != nil {
		log.Fatal("majors: ", err)
	}
}

func rehearse(version string, keep bool, packages []string) error {
	major, err := majorOf(version)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fulfil-majors-")
	if err != nil {
		return err
	}
	if keep {
		fmt.Println("the copy is", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	if err := copyModule(dir, major); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"mod", "edit", "-droprequire=github.com/stripe/stripe-go/" + current, fmt.Sprintf("-require=github.com/stripe/stripe-go/v%d@%s", major, version)},
		{"mod", "tidy"},
		{"build", "./..."},
		append([]string{"test"}, packages...),
	} {
		fmt.Println("go", strings.Join(args, " "))
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
		cmd.Env = append(os.Environ(), "GOWORK=off")
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go %s: %w", args[0], err)
		}
	}
	return nil
}

// majorOf returns the major version of a version such as v85.0.0.
func majorOf(version string) (int, error) {
	var major, minor, patch int
	if _, err := fmt.Sscanf(version, "v%d.%d.%d", &major, &minor, &patch); err != nil || major <= 82 {
		return 0, fmt.Errorf("-stripe %q: give a version of stripe-go later than %s, such as v85.0.0", version, current)
	}
	return major, nil
}

// copyModule copies the root module without its nested modules, changes the text for the major version and prints the number of
// lines that each change touched.
func copyModule(dir string, major int) error {
	touched := make([]int, len(changes))
	imports := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path == ".git" || path != "." && isModule(path) {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(dir, path), 0o755)
		}
		if !entry.Type().IsRegular() || strings.HasPrefix(path, "go.work") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".go") {
			for i, c := range changes {
				if major >= c.since {
					touched[i] += len(c.old.FindAllIndex(text, -1))
					text = c.old.ReplaceAll(text, []byte(c.new))
				}
			}
			before := []byte("github.com/stripe/stripe-go/" + current)
			imports += bytes.Count(text, before)
			text = bytes.ReplaceAll(text, before, fmt.Appendf(nil, "github.com/stripe/stripe-go/v%d", major))
		}
		return os.WriteFile(filepath.Join(dir, path), text, 0o644)
	})
	if err != nil {
		return err
	}
	if imports == 0 {
		return errors.New("no file here imports stripe-go/" + current + ": run the command in the root folder of the repository")
	}
	fmt.Printf("%4d lines: the import path\n", imports)
	for i, c := range changes {
		fmt.Printf("%4d lines: %s\n", touched[i], c.what)
	}
	return nil
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
