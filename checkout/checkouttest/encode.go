package checkouttest

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// encode writes a value as the API does: indented by two spaces, without escaping HTML.
func encode(v any) []byte {
	b := encoded.Get().(*bytes.Buffer)
	defer encoded.Put(b)
	b.Reset()
	if err := writeJSON(b, v, ""); err != nil {
		panic("checkouttest: " + err.Error()) // cannot happen: JSON can hold every value of an object
	}
	b.WriteByte('\n')
	return bytes.Clone(b.Bytes()) // events and idempotency keys keep it, without the room to grow that a buffer has
}

// encoded are buffers of encode.
var encoded = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// writeJSON writes a value. Lines after the first begin with prefix. writeJSON walks into objects itself: encoding/json
// would format an inner object again for each object around it.
func writeJSON(b *bytes.Buffer, v any, prefix string) error {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.Write(strconv.AppendBool(b.AvailableBuffer(), v))
	case int64:
		b.Write(strconv.AppendInt(b.AvailableBuffer(), v, 10))
	case object:
		v = v.withFirstLines()
		return writeAll(b, "{}", v.keys(), prefix, func(key string) error {
			if err := writeJSON(b, key, ""); err != nil {
				return err
			}
			b.WriteString(": ")
			return writeJSON(b, v[key], prefix+"  ")
		})
	case []object:
		return writeAll(b, "[]", v, prefix, func(o object) error { return writeJSON(b, o, prefix+"  ") })
	case json.RawMessage:
		return json.Indent(b, bytes.TrimSpace(v), prefix, "  ")
	case string:
		if strings.ContainsFunc(v, escaped) {
			return writeOther(b, v, prefix)
		}
		b.WriteByte('"')
		b.WriteString(v)
		b.WriteByte('"')
	default:
		return writeOther(b, v, prefix)
	}
	return nil
}

// escaped reports whether JSON may write a character as an escape sequence.
func escaped(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

func writeOther(b *bytes.Buffer, v any, prefix string) error {
	var other bytes.Buffer
	enc := json.NewEncoder(&other)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Write(bytes.TrimSuffix(other.Bytes(), []byte("\n")))
	return nil
}

// writeAll writes items between brackets, one on each line.
func writeAll[T any](b *bytes.Buffer, brackets string, items []T, prefix string, write func(T) error) error {
	b.WriteByte(brackets[0])
	for i, item := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n" + prefix + "  ")
		if err := write(item); err != nil {
			return err
		}
	}
	if len(items) > 0 {
		b.WriteString("\n" + prefix)
	}
	b.WriteByte(brackets[1])
	return nil
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := writeJSON(&b, o, "")
	return b.Bytes(), err
}

// keys returns an object's keys in the order in which Stripe writes them: id and object first, the others sorted.
func (o object) keys() []string {
	keys := slices.AppendSeq(make([]string, 0, len(o)), maps.Keys(o))
	slices.SortFunc(keys, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return keys
}

func rank(key string) int {
	switch key {
	case "id":
		return 0
	case "object":
		return 1
	default:
		return 2
	}
}
