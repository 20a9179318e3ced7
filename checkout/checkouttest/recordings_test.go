package checkouttest_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

var updateRecordings = flag.Bool("update-recordings", false, "write testdata/recordings.txt from the folder FULFIL_CORPUS")

const recordingsFile = "testdata/recordings.txt"

// A recordedKind is a kind of object whose recordings are distilled: those of API version since and later. since is basil
// where the corpus has recordings of basil or later, apart from the objects that Stripe generates for its mock server.
type recordedKind struct {
	since string
	typ   reflect.Type // stripe-go's
}

var recordedKinds = map[string]recordedKind{
	"charge":           {"2025-03-31.basil", reflect.TypeFor[stripe.Charge]()},
	"checkout.session": {"2025-03-31.basil", reflect.TypeFor[stripe.CheckoutSession]()},
	"customer":         {"2020-08-27", reflect.TypeFor[stripe.Customer]()},
	"dispute":          {"2020-03-02", reflect.TypeFor[stripe.Dispute]()},
	"event":            {"2020-03-02", reflect.TypeFor[stripe.Event]()},
	"invoice":          {"2025-03-31.basil", reflect.TypeFor[stripe.Invoice]()},
	"payment_intent":   {"2025-03-31.basil", reflect.TypeFor[stripe.PaymentIntent]()},
	"payment_method":   {"2023-10-16", reflect.TypeFor[stripe.PaymentMethod]()},
	"refund":           {"2025-03-31.basil", reflect.TypeFor[stripe.Refund]()},
	"subscription":     {"2020-03-02", reflect.TypeFor[stripe.Subscription]()},
}

// A key is what objects of a kind have at a path, as "charge outcome.type".
type key struct {
	types  map[string]bool // JSON types; an expanded object counts as the string that is its ID
	values map[string]bool // of enums
	// The oldest and the newest API version that have the key.
	since, until string
	always       bool // each whole object that has the key's parent has the key

	seen, objects int // how often whole objects had the path, and how often with an object
}

// A sample collects the keys of objects, by their paths. Each kind of object is a path itself.
type sample map[string]*key

func (s sample) at(path string) *key {
	if s[path] == nil {
		s[path] = &key{types: map[string]bool{}, values: map[string]bool{}, since: "~"} // ~ sorts after every version
	}
	return s[path]
}

// An origin says where an object comes from, and so what it tells.
type origin int

const (
	whole     origin = iota
	shortened        // tells not which keys are always there
	generated        // by Stripe for its mock server; tells neither that nor which values an enum has
)

// add samples an object of an API version, and the objects in it.
func (s sample) add(version string, from origin, o map[string]any) {
	kind := str(o["object"])
	known, ok := recordedKinds[kind]
	ok = ok && version >= known.since
	if ok && from == whole {
		s.at(kind).objects++
	}
	if data, isObject := o["data"].(map[string]any); isObject && kind == "event" {
		s.add(version, from, data["object"].(map[string]any))
		o = maps.Clone(o)
		o["data"] = map[string]any{}
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		if ok {
			s.note(version, from, kind, path, v)
		}
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(path+"[]", item)
			}
		case map[string]any:
			if isResource(v) {
				s.add(version, from, v)
			} else if !strings.HasSuffix(path, "metadata") { // whose keys are the shop's
				for name, inner := range v {
					walk(path+"."+name, inner)
				}
			}
		}
	}
	for name, v := range o {
		walk(kind+" "+name, v)
	}
}

func (s sample) note(version string, from origin, kind, path string, v any) {
	k := s.at(path)
	typ := jsonType(v)
	k.types[typ] = true
	k.since, k.until = min(k.since, version), max(k.until, version)
	if from == whole {
		k.seen++
		if typ == "object" {
			k.objects++
		}
	}
	if text := str(v); from != generated && enumValue.MatchString(text) && isEnum(recordedKinds[kind].typ, path) {
		k.values[text] = true
	}
}

// isResource reports whether an object is one that an ID can stand for. The listed kinds are always shown in whole.
func isResource(o map[string]any) bool {
	kind := str(o["object"])
	return o["id"] != nil && kind != "" && !slices.Contains([]string{"line_item", "plan", "price", "subscription_item"}, kind)
}

func jsonType(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case []any:
		return "array"
	case map[string]any:
		if !isResource(v) {
			return "object"
		}
	}
	return "string"
}

// parent returns the path of the object that holds a key: "charge outcome.type" → "charge outcome".
func parent(path string) string {
	if dot := strings.LastIndex(path, "."); dot > strings.Index(path, " ") {
		return path[:dot]
	}
	kind, _, _ := strings.Cut(path, " ")
	return kind
}

var enumValue = regexp.MustCompile(`^[a-z0-9_.]{1,40}$`)

// isEnum reports whether stripe-go has a type of its own for the strings at a path, other than the currencies.
func isEnum(typ reflect.Type, path string) bool {
	_, names, _ := strings.Cut(strings.ReplaceAll(path, "[]", ""), " ")
	for name := range strings.SplitSeq(names, ".") {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return false
		}
		fields := reflect.VisibleFields(typ)
		i := slices.IndexFunc(fields, func(f reflect.StructField) bool {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			return tag == name
		})
		if i < 0 {
			return false
		}
		typ = fields[i].Type
	}
	for typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	return typ.Kind() == reflect.String && typ != reflect.TypeFor[string]() && typ != reflect.TypeFor[stripe.Currency]()
}

// settle says of each key whether it was always there.
func (s sample) settle() sample {
	for path, k := range s {
		k.always = k.seen > 0 && strings.Contains(path, " ") && k.seen == s[parent(path)].objects
	}
	return s
}

// lines returns the facts of a sample: a line for each path, with its types, its oldest and newest version, whether it is
// always there, and its values if they are few.
func (s sample) lines() string {
	var out strings.Builder
	for _, path := range slices.Sorted(maps.Keys(s)) {
		k := s[path]
		if !strings.Contains(path, " ") {
			continue
		}
		presence := "sometimes"
		if k.always {
			presence = "always"
		}
		fmt.Fprintf(&out, "%s %s %s..%s %s", path, strings.Join(slices.Sorted(maps.Keys(k.types)), ","), k.since, k.until, presence)
		if n := len(k.values); n > 0 && n <= 12 {
			fmt.Fprintf(&out, " %s", strings.Join(slices.Sorted(maps.Keys(k.values)), ","))
		}
		out.WriteString("\n")
	}
	return out.String()
}

// parseRecordings reads what lines wrote.
func parseRecordings(t *testing.T, text string) sample {
	out := sample{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		require.GreaterOrEqual(t, len(fields), 5, line)
		k := out.at(fields[0] + " " + fields[1])
		for typ := range strings.SplitSeq(fields[2], ",") {
			k.types[typ] = true
		}
		k.since, k.until, _ = strings.Cut(fields[3], "..")
		k.always = fields[4] == "always"
		for _, values := range fields[5:] {
			for value := range strings.SplitSeq(values, ",") {
				k.values[value] = true
			}
		}
	}
	return out
}

// A recording is a recorded event, or a recorded object that somebody else than Stripe made an event of.
type recording struct {
	version, eventType string
	from               origin
	object             map[string]any
}

// recordings yields the recordings in the folder FULFIL_CORPUS that have an API version. It skips the test if there is no
// folder.
func recordings(t *testing.T) iter.Seq[recording] {
	t.Helper()
	corpus := os.Getenv("FULFIL_CORPUS")
	if corpus == "" {
		t.Skip("FULFIL_CORPUS is not set")
	}
	read := func(name string, v any) {
		raw, err := os.ReadFile(filepath.Join(corpus, name))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, v), name)
	}
	var index []struct {
		File, Provenance, Note string
		EventType              string `json:"event_type"`
		Version                string `json:"api_version"`
	}
	read("index.json", &index)
	return func(yield func(recording) bool) {
		for _, entry := range index {
			if !strings.HasPrefix(entry.Version, "20") {
				continue
			}
			r := recording{version: entry.Version, eventType: entry.EventType}
			read(entry.File, &r.object)
			if strings.HasSuffix(entry.Provenance, "-wrapped") { // somebody else than Stripe made the event around the object
				r.object = r.object["data"].(map[string]any)["object"].(map[string]any)
			}
			switch {
			case strings.HasPrefix(entry.Provenance, "stripe-generated"):
				r.from = generated
			case entry.Note == "shortened":
				r.from = shortened
			}
			if !yield(r) {
				return
			}
		}
	}
}

// TestRecordings compares testdata/recordings.txt with the recordings in the folder FULFIL_CORPUS. With -update-recordings it
// writes the file.
func TestRecordings(t *testing.T) {
	t.Parallel()
	if *updateRecordings {
		require.NotEmpty(t, os.Getenv("FULFIL_CORPUS"), "-update-recordings needs FULFIL_CORPUS")
	}
	recorded := sample{}
	for r := range recordings(t) {
		recorded.add(r.version, r.from, r.object)
	}
	text := "# Written by go test -run TestRecordings -update-recordings, from recorded events: kind, key, JSON types, oldest and newest\n" +
		"# recorded version that has the key, whether all whole recordings have the key, and the values of an enum.\n" + recorded.settle().lines()
	if *updateRecordings {
		require.NoError(t, os.WriteFile(recordingsFile, []byte(text), 0o644))
	}
	was, err := os.ReadFile(recordingsFile)
	require.NoError(t, err)
	require.Equal(t, string(was), text)
}
