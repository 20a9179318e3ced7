package checkout

import (
	"fmt"
	"slices"
	"strings"
)

// FieldProblem is one mistake in a Session.
type FieldProblem struct {
	// Field is the path of the field in Go, such as "Lines[2].Quantity".
	Field string `json:"field"`
	// Message says what is wrong. It never repeats a value that could be personal, such as an e-mail address or a URL.
	Message string `json:"message"`
}

// InvalidSessionError lists all mistakes of a Session. Nothing was stored or sent.
type InvalidSessionError struct {
	// Problems has at least one entry. The entries are in the order of the checks, which is close to that of the fields.
	Problems []FieldProblem `json:"problems"`
}

func (e *InvalidSessionError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.Field + ": " + p.Message
	}
	return "checkout: invalid session: " + strings.Join(texts, "; ")
}

// sessionProblems collects mistakes.
type sessionProblems []FieldProblem

// add records a problem. It records the same problem of the same field only once.
func (p *sessionProblems) add(field, format string, args ...any) {
	problem := FieldProblem{Field: field, Message: fmt.Sprintf(format, args...)}
	if !slices.Contains(*p, problem) {
		*p = append(*p, problem)
	}
}

// require records a problem unless ok is true.
func (p *sessionProblems) require(ok bool, field, message string) {
	if !ok {
		p.add(field, "%s", message)
	}
}

// err returns an *InvalidSessionError, or nil if there are no problems.
func (p sessionProblems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &InvalidSessionError{Problems: p}
}
