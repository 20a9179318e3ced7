package formparams

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// testSchema is a call with a parameter of each kind.
func testSchema() *Schema {
	root := &Schema{}
	for key, kind := range map[string]string{
		"mode": "string", "limit": "int", "active": "bool", "amount": "decimal", "types[]": "string", "metadata[*]": "string",
		"lines[][quantity]": "int", "lines[][price][currency]": "string", "discounts[][coupon]": "string", "tax[enabled]": "bool",
	} {
		root.At(key).Kind = kind
	}
	root.At("discounts").Unsupported = true
	tax := root.At("tax[enabled]")
	tax.Unsupported, tax.Harmless = true, "false"
	return root
}

func TestDecode(t *testing.T) {
	t.Parallel()
	values, err := url.ParseQuery("mode=payment&limit=3&active=true&amount=1.5&types[]=a&types[]=b&metadata[k]=&lines[10][quantity]=2" +
		"&lines[9][price][currency]=usd&lines[9][quantity]=1&tax[enabled]=false")
	require.NoError(t, err)
	root, failed := Decode(testSchema(), values)
	require.Nil(t, failed)
	require.Equal(t, "payment", root.Get("mode").String())
	require.Equal(t, int64(3), root.Get("limit").Int())
	require.True(t, root.Get("active").Bool())
	require.Equal(t, "decimal", root.Get("amount").Kind)
	require.Equal(t, []string{"a", "b"}, root.Get("types").Strings())
	require.True(t, root.Get("metadata", "k").IsSet)
	lines := root.Get("lines").List()
	require.Len(t, lines, 2)
	require.Equal(t, int64(1), lines[0].Get("quantity").Int(), "items are in the order of their indices, as numbers")
	require.Equal(t, "lines[9][price][currency]", lines[0].Get("price", "currency").Name)
	require.Equal(t, "lines[9][price][product]", lines[0].Get("price").NameOf("product"))

	unsent := root.Get("nothing", "below")
	require.Nil(t, unsent)
	require.Equal(t, "", unsent.String())
	require.Zero(t, unsent.Int())
	require.Empty(t, unsent.List())
	require.Nil(t, unsent.Strings())

	lines[1].SetField("interval", "month")
	require.Equal(t, "lines[10][interval]", lines[1].Get("interval").Name)
	without := root.Without("mode")
	require.Nil(t, without.Get("mode"))
	require.NotNil(t, root.Get("mode"))
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ form, code, param, message string }{
		"an unknown parameter":        {"colour=red", "parameter_unknown", "colour", "Received unknown parameter: colour"},
		"two unknown parameters":      {"a=1&b[c]=1&b[d]=1", "parameter_unknown", "a", "Received unknown parameters: a, b"},
		"an unknown field":            {"lines[0][price][sku]=1", "parameter_unknown", "lines[0][price][sku]", "Received unknown parameter: lines[0][price][sku]"},
		"unbalanced brackets":         {"mode[=1", "parameter_unknown", "mode[", "Received unknown parameter: mode["},
		"a field of a scalar":         {"mode[x]=1", "", "mode", "Invalid string: must not be an object"},
		"a scalar for a list":         {"types=card", "", "types", "Invalid array"},
		"a scalar for an object":      {"lines[0][price]=1", "", "lines[0][price]", "Invalid object"},
		"a name for an index":         {"lines[first][quantity]=1", "", "lines", "Invalid array"},
		"a negative index":            {"lines[-1][quantity]=1", "", "lines", "Invalid array"},
		"no int":                      {"limit=1.5", "parameter_invalid_integer", "limit", "Invalid integer: 1.5"},
		"no bool":                     {"active=yes", "", "active", "Invalid boolean: yes"},
		"no decimal":                  {"amount=1/2", "", "amount", "Invalid decimal: 1/2"},
		"a decimal with an exponent":  {"amount=1e2", "", "amount", "Invalid decimal: 1e2"},
		"an unsupported parameter":    {"discounts[0][coupon]=c", "", "discounts", "This test server does not implement the parameter discounts here."},
		"an effect that is not there": {"tax[enabled]=true", "", "tax[enabled]", "This test server does not implement the parameter tax[enabled] here."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values, err := url.ParseQuery(c.form)
			require.NoError(t, err)
			_, failed := Decode(testSchema(), values)
			require.Equal(t, &Error{Code: c.code, Param: c.param, Message: c.message}, failed)
		})
	}
	_, failed := Decode(testSchema(), url.Values{"mode": {""}})
	require.Equal(t, "parameter_invalid_empty", failed.Code)
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][]string{
		"a": {"a"}, "a[b]": {"a", "b"}, "a[]": {"a", ""}, "a[0][b]": {"a", "0", "b"},
		"": nil, "[a]": nil, "a]": nil, "a[b": nil, "a[b]c": nil, "a[[b]]": nil,
	} {
		path, ok := split(key)
		require.Equal(t, want != nil, ok, key)
		if ok {
			require.Equal(t, want, path)
		}
	}
}
