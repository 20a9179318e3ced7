package doctest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	testName  = regexp.MustCompile(`(?:\b([a-z]\w*)\.)?\b((?:Test|Fuzz|Example|Benchmark)(?:[A-Z]\w*|_\w+))`)
	fence     = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	codeSpan  = regexp.MustCompile("`([^`\n]+)`")
	docLink   = regexp.MustCompile(`(?:^|[\s(])\[\*?([A-Z]\w*(?:\.\w+)*|[a-z]\w*(?:\.\w+)+)\]`)
	qualified = regexp.MustCompile(`^\*?([A-Za-z]\w*)((?:\.[A-Za-z]\w*)+)`)
	inText    = regexp.MustCompile(`\b([a-z][a-z0-9]*)((?:\.[A-Z]\w*)+)`)
	filePath  = regexp.MustCompile(`^[\w.*/-]+$`)
	ending    = regexp.MustCompile(`\.(go|md|sql|json|html|css|js|cjs|mod|work|yml|txt)$`)
	bareName  = regexp.MustCompile(`^([A-Z][a-z]\w*|[a-z]+[A-Z]\w*)(\(.*\))?$`)
)

// check returns a message for each name in a document that does not exist.
func (tr *tree) check(d document) (missing []string) {
	miss := func(what, name string) {
		missing = append(missing, fmt.Sprintf("%s: there is no %s %q", d.path, what, name))
	}
	for _, m := range testName.FindAllStringSubmatch(d.text, -1) {
		name := m[2]
		if tr.types[m[1]] {
			name = m[1] + "." + m[2]
		}
		if !tr.tests[name] && !tr.names[name] {
			miss("test", name)
		}
	}
	for _, name := range variable.FindAllString(d.text, -1) {
		if !tr.variables[name] {
			miss("environment variable", name)
		}
	}
	for _, m := range inText.FindAllStringSubmatch(d.text, -1) {
		if tr.types[m[1]] && !isTest.MatchString(m[2][1:]) && !tr.known(d.pkg, m[1]+m[2]) {
			miss("identifier", m[1]+m[2])
		}
	}
	if d.pkg == "" {
		tr.checkLinks(d, miss)
	}
	prose := fence.ReplaceAllString(d.text, "")
	for _, m := range codeSpan.FindAllStringSubmatch(prose, -1) {
		tr.checkCode(d, m[1], miss)
	}
	if d.pkg != "" {
		for _, m := range docLink.FindAllStringSubmatch(prose, -1) {
			tr.checkIdentifier(d, m[1], miss)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// checkLinks checks the links of a page to files and headings of the repository.
func (tr *tree) checkLinks(d document, miss func(what, name string)) {
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(d.text, ""), -1) {
		target, anchor, _ := strings.Cut(m[1], "#")
		if strings.Contains(target, "://") {
			continue
		}
		page := d.path
		if target != "" {
			page = path.Join(path.Dir(d.path), target)
			if !tr.files[page] {
				miss("file", m[1])
				continue
			}
		}
		if anchor != "" && !slices.Contains(tr.anchors(page), anchor) {
			miss("heading", m[1])
		}
	}
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// anchors returns the anchors of the headings of a page, as links name them.
func (tr *tree) anchors(page string) (all []string) {
	for _, d := range tr.docs {
		if d.path != page {
			continue
		}
		for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(d.text, ""), -1) {
			all = append(all, strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
		}
	}
	return all
}

// checkCode checks a text in backticks if the text looks like a file or an identifier.
func (tr *tree) checkCode(d document, code string, miss func(what, name string)) {
	switch {
	case filePath.MatchString(code) && (ending.MatchString(code) || tr.looksLikePath(code)):
		if !tr.hasFile(d, code) {
			miss("file", code)
		}
	case qualified.MatchString(code):
		tr.checkIdentifier(d, qualified.FindString(code), miss)
	case bareName.MatchString(code):
		if name := bareName.FindStringSubmatch(code)[1]; !tr.names[name] {
			miss("identifier", name)
		}
	}
}

// looksLikePath reports whether a text with a slash begins with a folder of the repository.
func (tr *tree) looksLikePath(code string) bool {
	first, _, ok := strings.Cut(strings.TrimPrefix(code, "./"), "/")
	return ok && tr.files[first]
}

// hasFile reports whether a file or folder exists: below the root, beside the document, or, for a name without a folder,
// anywhere. A star stands for any text.
func (tr *tree) hasFile(d document, name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "./"), "..."), "/")
	beside := path.Join(path.Dir(d.path), name)
	if tr.files[name] || tr.files[beside] || tr.bases[name] {
		return true
	}
	if !strings.Contains(name, "*") {
		return false
	}
	for file := range tr.files {
		for _, pattern := range [...]string{name, beside} {
			if ok, err := path.Match(pattern, file); ok && err == nil {
				return true
			}
		}
		if ok, err := path.Match(name, path.Base(file)); ok && err == nil {
			return true
		}
	}
	return false
}

// checkIdentifier checks a name such as checkout.Flow, Flow.Begin or, in the documentation of a package, Flow. It ignores names
// of other projects' packages and types.
func (tr *tree) checkIdentifier(d document, name string, miss func(what, name string)) {
	name = strings.TrimPrefix(name, "*")
	first, _, _ := strings.Cut(name, ".")
	if (tr.types[first] || first == name && d.pkg != "") && !tr.known(d.pkg, name) {
		miss("identifier", name)
	}
}

// promoted reports whether a name such as sqlstore.Store.Find is a method of the type that the struct embeds.
func (tr *tree) promoted(name string) bool {
	owner, method, found := cutLast(name)
	return found && tr.exported[tr.aliases[tr.embeds[owner]]+"."+method]
}

// cutLast splits a name at its last dot.
func cutLast(name string) (before, after string, found bool) {
	at := strings.LastIndexByte(name, '.')
	if at < 0 {
		return "", name, false
	}
	return name[:at], name[at+1:], true
}

// known reports whether the name is exported, alone or as a name of the package.
func (tr *tree) known(pkg, name string) bool {
	parts := strings.Split(name, ".")
	for n := len(parts); n > 0; n-- { // members of another project's type are unknown, so a known beginning may be enough
		whole := strings.Join(parts[:n], ".")
		if tr.exported[whole] || tr.exported[pkg+"."+whole] || tr.promoted(whole) || n == 1 && (tr.types[whole] && len(parts) == 1) {
			return n == len(parts) || n > 2 || n == 2 && !tr.types[parts[1]]
		}
	}
	return false
}
