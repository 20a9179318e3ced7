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
	for _, line := range steps(os.Args[1], released(folders)) {
		fmt.Println(line)
	}
}

// released returns the folders of the nested modules that others can require: all but those of internal and examples.
func released(folders []string) (nested []string) {
	for _, folder := range folders {
		top, _, _ := strings.Cut(folder, "/")
		if folder != "." && top != "internal" && top != "examples" {
			nested = append(nested, folder)
		}
	}
	return nested
}

// steps returns the commands that release a version. The tags of the nested modules stand on a commit beside main, because a
// released go.mod has no replace: go install refuses a module with one, and a requirement on v0.0.0 without one finds nothing.
func steps(version string, nested []string) (lines []string) {
	lines = append(lines,
		"git tag -a "+version+" -m "+version,
		"git push origin "+version,
		"git switch --detach "+version)
	for _, folder := range nested {
		lines = append(lines,
			fmt.Sprintf("go -C %s mod edit -dropreplace=%s -require=%s@%s", folder, rootModule, rootModule, version),
			fmt.Sprintf("GOWORK=off go -C %s mod tidy", folder),
			fmt.Sprintf("GOWORK=off go -C %s test ./...", folder))
	}
	lines = append(lines, fmt.Sprintf("git commit -am 'release %s of the nested modules'", version))
	for _, folder := range nested {
		tag := path.Join(folder, version)
		lines = append(lines, "git tag -a "+tag+" -m "+tag, "git push origin "+tag)
	}
	lines = append(lines, "git switch main")
	for _, module := range append([]string{""}, nested...) {
		lines = append(lines, fmt.Sprintf("GOWORK=off go list -m %s@%s", path.Join(rootModule, module), version))
	}
	return lines
}
