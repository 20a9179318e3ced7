package checkout

import (
	"fmt"
	"slices"
	"strings"
)

// FieldProblem is one mistake in a Session.
type FieldProblem struct {
	// Field is the path of the field in Go, as "Lines[2].Quantity".
	Field string
	// Message says what is wrong. It never repeats a value that could be personal, as an e-mail address or a URL.
	Message string
}

// InvalidSessionError lists everything that is wrong with a Session. Nothing was stored or sent.
type InvalidSessionError struct {
	// Problems has at least one entry, in the order of the fields.
	Problems []FieldProblem
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

// add notes a problem once, however often it is found.
func (p *sessionProblems) add(field, format string, args ...any) {
	problem := FieldProblem{Field: field, Message: fmt.Sprintf(format, args...)}
	if !slices.Contains(*p, problem) {
		*p = append(*p, problem)
	}
}

// require notes a problem unless ok.
func (p *sessionProblems) require(ok bool, field, message string) {
	if !ok {
		p.add(field, "%s", message)
	}
}

func (p sessionProblems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &InvalidSessionError{Problems: p}
}
