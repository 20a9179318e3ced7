package checkouttest

import (
	_ "embed" // for params.txt
	"strings"
	"sync"
)

//go:generate go run gen.go

//go:embed params.txt
var paramsText string

// schema is one place in the tree of parameters that a call knows.
type schema struct {
	result string // of a root: what the call answers with, see resultOf
	kind   string // of a scalar: string, int, bool, decimal; empty: none allowed here
	free   bool   // a value of a map with free keys
	fields map[string]*schema
	elem   *schema // of a list
	value  *schema // of a map with free keys, such as metadata

	refused  bool   // see refused
	harmless string // the value that is not, if there is one
}

// schemas holds the parameters of each call, by method and path pattern.
var schemas = sync.OnceValue(func() map[string]*schema {
	all := map[string]*schema{}
	var root *schema
	for line := range strings.Lines(paramsText) {
		line = strings.TrimSpace(line)
		first, second, _ := strings.Cut(line, " ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(second, "/"):
			root = &schema{result: resultOf(line)}
			all[line] = root
		default:
			path, _ := splitKey(first)
			root.at(path).kind = second
		}
	}
	markRefused(all)
	return all
})

func (s *schema) at(path []string) *schema {
	for _, seg := range path {
		var next **schema
		switch seg {
		case "":
			next = &s.elem
		case "*":
			next = &s.value
		default:
			if s.fields == nil {
				s.fields = map[string]*schema{}
			}
			if s.fields[seg] == nil {
				s.fields[seg] = &schema{}
			}
			s = s.fields[seg]
			continue
		}
		if *next == nil {
			*next = &schema{free: seg == "*"}
		}
		s = *next
	}
	return s
}

// splitKey takes `a[0][b]` apart. It reports false for unbalanced brackets.
func splitKey(key string) ([]string, bool) {
	name, rest, nested := strings.Cut(key, "[")
	path := []string{name}
	if !nested {
		return path, name != "" && !strings.Contains(name, "]")
	}
	rest, ok := strings.CutSuffix(rest, "]")
	if !ok || name == "" {
		return nil, false
	}
	for seg := range strings.SplitSeq(rest, "][") {
		if strings.ContainsAny(seg, "[]") {
			return nil, false
		}
		path = append(path, seg)
	}
	return path, true
}
