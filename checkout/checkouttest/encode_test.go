package checkouttest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// encode writes objects as encoding/json would, except for the order of the keys.
func TestEncode(t *testing.T) {
	t.Parallel()
	inner := object{
		"id": "a<b>&\u2028\x01", "number": int64(-5), "int": 7, "float": 1.5, "null": nil, "true": true, "bad": "\xff\"\\\n",
		"objects": []object{{"id": "q", "strings": []string{"a", "b"}}, {}}, "none": []object{}, "empty": []string{},
		"map": map[string]string{"b": "1", "a": "2"}, "any": []any{object{"k": 1}, 3},
	}
	o := object{"object": "list", "id": "x", "inner": inner, "raw": json.RawMessage(encode(inner)), "a": "é"}
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(o))
	require.Equal(t, want.String(), string(encode(o)))

	var back map[string]any
	require.NoError(t, json.Unmarshal(encode(o), &back))
	require.Equal(t, back["inner"], back["raw"])
	require.Equal(t, `{"id":"x","object":"y","a":1}`, marshaled(t, object{"a": 1, "object": "y", "id": "x"}))
}

func marshaled(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}
