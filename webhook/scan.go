package webhook

import "bytes"

// scanner reads JSON without decoding it. It accepts the same JSON as encoding/json, except that values nested deeper than
// maxDepth are not accepted. Every method returns false at the first wrong byte.
type scanner struct {
	b []byte
	i int // the next byte
}

// maxDepth is the deepest nesting that the scanner reads. It leaves deeper payloads to encoding/json. Stripe nests a few levels
// more than the four that can be expanded.
const maxDepth = 100

// space skips white space.
func (s *scanner) space() {
	if s.i < len(s.b) && s.b[s.i] > ' ' {
		return
	}
	s.longSpace()
}

// longSpace is apart from space, so that the compiler puts the usual case into the callers of space.
func (s *scanner) longSpace() {
	b, i := s.b, s.i
	for i < len(b) && kinds[b[i]] == whiteSpace {
		i++
	}
	s.i = i
}

// kind is what a byte can be in JSON.
type kind uint8

const (
	other      kind = iota // part of a string and of nothing else
	name                   // part of the keys that object accepts: a-z, 0-9, "_"
	quote                  // ends a string
	escape                 // begins an escape in a string
	whiteSpace             // between tokens; of these, a string has only spaces
	control                // in no JSON
)

// kinds has the kind of every byte.
var kinds = func() (table [256]kind) {
	for c := range 256 {
		switch {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			table[c] = whiteSpace
		case c < ' ':
			table[c] = control
		case c == '"':
			table[c] = quote
		case c == '\\':
			table[c] = escape
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_':
			table[c] = name
		}
	}
	return table
}()

// byte skips white space and then c.
func (s *scanner) byte(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// peek skips white space and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// object reads an object. It calls field after each key, to read the value. It fails on a key with other characters than
// a-z, 0-9 and "_".
func (s *scanner) object(field func(key []byte) bool) bool {
	if !s.byte('{') {
		return false
	}
	if s.byte('}') {
		return true
	}
	for {
		s.space()
		start := s.i + 1
		if s.peek() != '"' || !s.string() {
			return false
		}
		key := s.b[start : s.i-1]
		for _, c := range key {
			if kinds[c] != name {
				return false
			}
		}
		if !s.byte(':') || !field(key) {
			return false
		}
		if !s.byte(',') {
			return s.byte('}')
		}
	}
}

// text reads a string of ASCII characters without escapes. It leaves dst unchanged if the value is null.
func (s *scanner) text(dst *[]byte) bool {
	if s.peek() == 'n' {
		return s.literal("null")
	}
	start := s.i + 1
	if s.peek() != '"' || !s.string() {
		return false
	}
	*dst = s.b[start : s.i-1 : s.i-1]
	for _, c := range *dst {
		if c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// flag reads a bool. It leaves dst unchanged if the value is null.
func (s *scanner) flag(dst *bool) bool {
	switch s.peek() {
	case 't':
		*dst = true
		return s.literal("true")
	case 'f':
		*dst = false
		return s.literal("false")
	default:
		return s.literal("null")
	}
}

// raw reads a value of any kind without decoding it.
func (s *scanner) raw(dst *[]byte, depth int) bool {
	s.space()
	start := s.i
	if !s.value(depth) {
		return false
	}
	*dst = s.b[start:s.i:s.i]
	return true
}

// value skips one value of any kind.
func (s *scanner) value(depth int) bool {
	c := s.peek()
	switch c {
	case '"':
		return s.string()
	case '{', '[':
		return s.composite(c, depth)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

// composite skips an object or an array.
func (s *scanner) composite(open byte, depth int) bool {
	if depth == maxDepth {
		return false
	}
	end := byte(']')
	if open == '{' {
		end = '}'
	}
	s.i++
	if s.byte(end) {
		return true
	}
	for {
		if open == '{' {
			if s.peek() != '"' || !s.string() || !s.byte(':') {
				return false
			}
		}
		if !s.value(depth + 1) {
			return false
		}
		if !s.byte(',') {
			return s.byte(end)
		}
	}
}

// literal skips the word.
func (s *scanner) literal(word string) bool {
	if !bytes.HasPrefix(s.b[s.i:], []byte(word)) {
		return false
	}
	s.i += len(word)
	return true
}

// string skips a string. The next byte must be its opening quote.
func (s *scanner) string() bool {
	b := s.b
	for i := s.i + 1; i < len(b); i++ {
		k := kinds[b[i]]
		if k < quote {
			continue
		}
		switch k {
		case quote:
			s.i = i + 1
			return true
		case escape:
			n := escapeLen(b[i:])
			if n == 0 {
				return false
			}
			i += n - 1
		default:
			if b[i] != ' ' {
				return false
			}
		}
	}
	return false
}

// escapeLen returns the length of the escape sequence that b begins with, or 0 if it is not one of JSON's.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && isHex(b[2]) && isHex(b[3]) && isHex(b[4]) && isHex(b[5]) {
			return 6
		}
	}
	return 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// number skips a number.
func (s *scanner) number() bool {
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++ // no digit may follow a leading zero
	} else if !s.digits() {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		return s.digits()
	}
	return true
}

// digits skips one or more digits.
func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}
