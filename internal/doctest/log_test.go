package doctest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// logMethods are the methods of a slog.Logger that log a line, with the level of the line and the place of the message among
// their arguments. The level of Log is an argument.
var logMethods = map[string]struct {
	level   string
	message int
}{
	"Debug": {"debug", 0}, "Info": {"info", 0}, "Warn": {"warn", 0}, "Error": {"error", 0},
	"DebugContext": {"debug", 1}, "InfoContext": {"info", 1}, "WarnContext": {"warn", 1}, "ErrorContext": {"error", 1},
	"Log": {"", 2},
}

// logAttrs are the functions that return an attribute of a line, with its key. Stripe's request ID stands in no row of the table:
// each line with an error may have it.
var logAttrs = map[string]string{"eventAttr": "event", "stackAttr": "stack", "requestIDAttr": ""}

// logLine is a line that the code logs: its level, message and keys.
type logLine struct{ level, message, keys string }

// logLines returns the lines that the Go files of a folder log, without those of tests.
func logLines(t *testing.T, folder string) (lines []logLine) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	require.NoError(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !isLogger(method.X) {
				return true
			}
			m, ok := logMethods[method.Sel.Name]
			if !ok {
				return true
			}
			line, mistake := logLineOf(call.Args[m.message:], m.level)
			require.Empty(t, mistake, "%s", fset.Position(call.Pos()))
			lines = append(lines, line)
			return true
		})
	}
	return lines
}

// isLogger reports whether an expression is named as loggers are here.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "log" || x.Name == "logger"
	case *ast.SelectorExpr:
		return x.Sel.Name == "log" || x.Sel.Name == "Logger"
	}
	return false
}

// logLineOf reads the message and the keys of a call, or says why they can't be read.
func logLineOf(args []ast.Expr, level string) (line logLine, mistake string) {
	message, ok := text(args[0])
	if !ok {
		return line, "the message must be a literal, so that it can be searched for"
	}
	var keys []string
	for i := 1; i < len(args); i++ {
		if key, ok := text(args[i]); ok {
			keys = append(keys, key)
			i++ // its value
			continue
		}
		call, ok := args[i].(*ast.CallExpr)
		if !ok {
			return line, "a key must be a literal"
		}
		name, ok := call.Fun.(*ast.Ident)
		if !ok {
			return line, "a key must be a literal"
		}
		key, known := logAttrs[name.Name]
		if !known {
			return line, name.Name + " must be in logAttrs"
		}
		if key != "" {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if !regexp.MustCompile(`^[a-z_]+$`).MatchString(key) {
			return line, fmt.Sprintf("the key %q has other characters than a-z and _", key)
		}
	}
	return logLine{level, message, strings.Join(keys, ", ")}, ""
}

func text(x ast.Expr) (string, bool) {
	literal, ok := x.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}

var logRow = regexp.MustCompile("(?m)^\\| (debug|info|warn|error)(?:, (debug|info|warn|error))? \\| `([^`]+)` \\|([^|]*)\\| (yes|no) \\| (.+) \\|$")

// Each line that the code logs has a row in the guide, with its level and keys, and each row a line.
func TestLogMessagesAreDocumented(t *testing.T) {
	t.Parallel()
	var logged []logLine
	for _, folder := range []string{"checkout", "webhook"} {
		logged = append(logged, logLines(t, folder)...)
	}
	require.Greater(t, len(logged), 40)
	documented := map[string][]string{} // level and keys of each message
	for _, row := range logRow.FindAllStringSubmatch(page(t, "docs/observing.md"), -1) {
		for _, level := range row[1:3] {
			documented[row[3]] = append(documented[row[3]], level+": "+strings.TrimSpace(strings.ReplaceAll(row[4], "`", "")))
		}
	}
	seen := map[string]bool{}
	for _, line := range logged {
		seen[line.message] = true
		rows := documented[line.message]
		if rows == nil {
			t.Errorf("docs/observing.md has no row for\n| %s | `%s` | %s | no | … |", line.level, line.message, line.keys)
			continue
		}
		keys := func(row string) bool {
			level, keys, _ := strings.Cut(row, ": ")
			return (level == line.level || line.level == "" && level != "") && keys == line.keys
		}
		if !slices.ContainsFunc(rows, keys) {
			t.Errorf("the row of %q in docs/observing.md must be of level %q with the keys %q: %q", line.message, line.level, line.keys, rows)
		}
	}
	for message := range documented {
		if !seen[message] {
			t.Errorf("docs/observing.md has a row for %q, which nothing logs", message)
		}
	}
}
