package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// clean makes a text safe for a terminal: what is not printable is written as an escape of Go's. It keeps the line breaks of a text
// that the program wrote.
func clean(text string) string { return escape(text, false) }

// cell is clean for a text from outside, which must not break the line.
func cell(text string) string { return escape(text, true) }

func escape(text string, oneLine bool) string {
	plain := true
	for i := 0; i < len(text) && plain; i++ {
		plain = text[i] >= ' ' && text[i] < utf8.RuneSelf-1
	}
	if plain {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.IsPrint(r), r == '\n' && !oneLine:
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}

// redact removes the secrets that the program was given from a text.
func (p *program) redact(text string) string {
	for _, secret := range p.secrets {
		if len(secret) > 2 {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// complain writes a message about what went wrong.
func (p *program) complain(format string, args ...any) {
	p.note("fulfil: "+format, args...)
}

// note writes a line for a person to stderr, so that stdout has nothing but the answer.
func (p *program) note(format string, args ...any) {
	_, _ = io.WriteString(p.stderr, clean(p.redact(strings.TrimRight(fmt.Sprintf(format, args...), "\n")))+"\n")
}

// say writes a line that is a part of the answer for people.
func (p *program) say(format string, args ...any) error {
	_, err := io.WriteString(p.stdout, clean(fmt.Sprintf(format, args...))+"\n")
	return err
}

// printJSON writes a value as one line of JSON. What is not printable is escaped there, too, as a person may read it on a terminal.
func (p *program) printJSON(value any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := io.WriteString(p.stdout, escapeJSON(strings.TrimSuffix(b.String(), "\n"))+"\n")
	return err
}

// escapeJSON escapes what is not printable. Such characters can only be in the strings of a JSON text.
func escapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return b.String()
}

// table prints rows in aligned columns. It is written a page at a time, so that a long list needs little memory.
type table struct {
	w      *tabwriter.Writer
	header []string
	rows   int
}

func (p *program) table(header ...string) *table {
	return &table{w: tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0), header: header}
}

func (t *table) row(cells ...string) error {
	if t.rows == 0 {
		if err := t.line(t.header); err != nil {
			return err
		}
	}
	t.rows++
	return t.line(cells)
}

func (t *table) line(cells []string) error {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteByte('\t')
		}
		b.WriteString(cell(cmp.Or(c, "-")))
	}
	_, err := io.WriteString(t.w, b.String()+"\n")
	return err
}

// page writes the rows so far. Later rows are aligned among themselves.
func (t *table) page() error { return t.w.Flush() }

// when is a time for people; empty: there is none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
