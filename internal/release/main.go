// Command release says how a version is released. It lists the tag of each module that others can require, and the commands that
// make them:
//
//	go run ./internal/release v0.1.0
//
// It changes nothing itself. It runs in the root folder of the repository.
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

const rootModule = "github.com/gofulfil/fulfil"

var semantic = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 || !semantic.MatchString(os.Args[1]) {
		log.Fatal("release: give the version, such as v0.1.0")
	}
	work, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		log.Fatal("release: go list -m: ", err)
	}
	root, err := os.Getwd()
	if err != nil {
		log.Fatal("release: ", err)
	}
	var folders []string
	for dir := range strings.FieldsSeq(string(work)) {
		folder, err := filepath.Rel(root, dir)
		if err != nil {
			log.Fatal("release: ", err)
		}
		folders = append(folders, filepath.ToSlash(folder))
	}
	nested, err := released(root, folders)
	if err != nil {
		log.Fatal("release: ", err)
	}
	for _, line := range steps(os.Args[1], nested) {
		fmt.Println(line)
	}
}

// nestedModule is a module beside the root module that others can require.
type nestedModule struct {
	folder string
	needs  []string // the modules of the project that its go.mod replaces
}

var replacement = regexp.MustCompile(`(?m)^(?:replace |\t)(\S+) => \.`)

// released returns the nested modules that others can require, each after those that it needs: all but those of internal and examples,
// and of internal those that another one needs.
func released(root string, folders []string) (nested []nestedModule, err error) {
	known := map[string]bool{rootModule: true}
	var add func(folder string) error
	add = func(folder string) error {
		name := path.Join(rootModule, folder)
		if known[name] {
			return nil
		}
		known[name] = true
		mod, err := os.ReadFile(filepath.Join(root, folder, "go.mod"))
		if err != nil {
			return err
		}
		m := nestedModule{folder: folder}
		for _, found := range replacement.FindAllStringSubmatch(string(mod), -1) {
			m.needs = append(m.needs, found[1])
			if err := add(strings.TrimPrefix(found[1], rootModule+"/")); found[1] != rootModule && err != nil {
				return err
			}
		}
		nested = append(nested, m)
		return nil
	}
	for _, folder := range folders {
		top, _, _ := strings.Cut(folder, "/")
		if folder == "." || top == "internal" || top == "examples" {
			continue
		}
		if err := add(folder); err != nil {
			return nil, err
		}
	}
	return nested, nil
}

// steps returns the commands that release a version. The tags of the nested modules stand on commits beside main, because a released
// go.mod has no replace: go install refuses a module with one, and a requirement on v0.0.0 without one finds nothing. A module is
// pushed before those that need it.
func steps(version string, nested []nestedModule) (lines []string) {
	lines = append(lines,
		"git tag -a "+version+" -m "+version,
		"git push origin "+version,
		"git switch --detach "+version)
	modules := []string{rootModule}
	for _, m := range nested {
		tag := path.Join(m.folder, version)
		edit := "go -C " + m.folder + " mod edit"
		for _, need := range m.needs {
			edit += fmt.Sprintf(" -dropreplace=%s -require=%s@%s", need, need, version)
		}
		lines = append(lines, edit,
			fmt.Sprintf("GOWORK=off go -C %s mod tidy", m.folder),
			fmt.Sprintf("GOWORK=off go -C %s test ./...", m.folder),
			fmt.Sprintf("git commit -am 'release %s'", tag),
			"git tag -a "+tag+" -m "+tag, "git push origin "+tag)
		modules = append(modules, path.Join(rootModule, m.folder))
	}
	lines = append(lines, "git switch main")
	for _, module := range modules {
		lines = append(lines, fmt.Sprintf("GOWORK=off go list -m %s@%s", module, version))
	}
	return lines
}
