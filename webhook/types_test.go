package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// knownType is one of the generated constants.
type knownType struct {
	name      string
	objects   []string
	on        func(h *Handler, seen func(event, object any)) // registers a handler that tells what it sees
	unmarshal func(raw []byte) (object any, err error)       // does what the handler's object is expected to equal
}

func known[T any](t Type[T], objects string) knownType {
	return knownType{
		name:    string(t),
		objects: strings.Split(objects, "|"),
		on: func(h *Handler, seen func(event, object any)) {
			On(h, t, func(_ context.Context, e *Event[T]) error {
				seen(e.ID, &e.Object)
				return nil
			})
		},
		unmarshal: func(raw []byte) (any, error) {
			object := new(T)
			return object, json.Unmarshal(raw, object)
		},
	}
}

// Every constant's Go type decodes each of its objects; some of stripe-go's have an UnmarshalJSON of their own.
func TestEveryTypeDecodesItsObjects(t *testing.T) {
	t.Parallel()
	snapshots, thin := 0, 0
	everyType(func(k knownType) {
		for _, name := range k.objects {
			srv := &fakeStripe{answers: map[string]string{"/v1/x_1": fmt.Sprintf(`{"id":"x_1","object":%q}`, name)}}
			h := newTestHandler(t, Config{Client: srv.client()})
			var id, object any
			k.on(h, func(e, o any) { id, object = e, o })
			payload := webhooktest.Event{ID: "evt_" + name, Type: k.name,
				Object: map[string]any{"id": "x_1", "object": name}}.Payload()
			if strings.HasPrefix(k.name, thinPrefix) {
				payload = webhooktest.ThinEvent{ID: "evt_" + name, Type: k.name,
					Object: webhooktest.RelatedObject{ID: "x_1", Type: name, URL: "/v1/x_1"}}.Payload()
			}
			require.NoError(t, h.Dispatch(t.Context(), payload), k.name)
			require.Equal(t, "evt_"+name, id, k.name)

			if raw, ok := object.(*json.RawMessage); ok {
				require.Contains(t, string(*raw), name)
				continue
			}
			v := reflect.ValueOf(object).Elem()
			checked := 0
			for _, field := range []struct{ name, want string }{{"ID", "x_1"}, {"Object", name}, {"Type", name}} {
				f := v.FieldByName(field.name)
				tag, _ := v.Type().FieldByName(field.name)
				if f.IsValid() && f.Kind() == reflect.String && (field.name == "ID" || tag.Tag.Get("json") == "object") {
					require.Equal(t, field.want, f.String(), "%s: %s of %s", k.name, field.name, v.Type())
					checked++
				}
			}
			require.Positive(t, checked, "%s: %s has nothing to check", k.name, v.Type())
		}
		if strings.HasPrefix(k.name, thinPrefix) {
			thin++
		} else {
			snapshots++
		}
	})
	require.Equal(t, []int{249, 49}, []int{snapshots, thin})
}

func TestEveryTypeIsKnown(t *testing.T) {
	t.Parallel()
	everyType(func(k knownType) {
		require.Equal(t, strings.Join(k.objects, "|"), knownObjects([]byte(k.name)))
		if k.name != string(SourceMandateNotification) {
			require.NotEmpty(t, knownGoType([]byte(k.name)), k.name)
		}
	})
	require.Empty(t, knownObjects([]byte("no.such.type")))
	require.Empty(t, knownGoType([]byte("no.such.type")))
}

// This package has the same event types as stripe-go, with the same values, and those of thin events beside them.
func TestConstantsAreStripeGos(t *testing.T) {
	t.Parallel()
	dir, err := goCommand("list", "-m", "-f", "{{.Dir}}", "github.com/stripe/stripe-go/v82").Output()
	require.NoError(t, err)
	theirs := stringConstants(t, filepath.Join(strings.TrimSpace(string(dir)), "event.go"), func(typ ast.Expr) bool {
		name, ok := typ.(*ast.Ident)
		return ok && name.Name == "EventType"
	})
	ours := stringConstants(t, "events_gen.go", func(typ ast.Expr) bool {
		index, ok := typ.(*ast.IndexExpr)
		return ok && index.X.(*ast.Ident).Name == "Type"
	})
	require.Greater(t, len(theirs), 200)
	for name, value := range theirs {
		name = strings.TrimPrefix(name, "EventType")
		require.Equal(t, value, ours[name], "constant %s: add it to event_types.json and run go generate", name)
		delete(ours, name)
	}
	for name, value := range ours {
		require.True(t, strings.HasPrefix(name, "V1") && strings.HasPrefix(value, thinPrefix), "%s: stripe-go does not have it", name)
	}
}

// goCommand runs the go tool without the flags that a developer's environment may add.
func goCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	return cmd
}

func stringConstants(t *testing.T, file string, ofType func(ast.Expr) bool) map[string]string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	found := map[string]string{}
	for _, decl := range tree.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			constant := spec.(*ast.ValueSpec)
			if constant.Type == nil || !ofType(constant.Type) {
				continue
			}
			value, err := strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			found[constant.Names[0].Name] = value
		}
	}
	return found
}

// A handler of the wrong object, and a store of another transaction, are compile-time errors.
func TestWrongHandlersDoNotCompile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ program, want string }{
		{"rightobject", ""},
		{"wrongobject", "does not satisfy webhook.Func[stripe.CheckoutSession]"},
		{"wrongthin", "does not satisfy webhook.Func[stripe.Subscription]"},
		{"wrongref", "does not satisfy webhook.Func[webhook.Ref[stripe.CheckoutSession]]"},
		{"wrongonce", "does not satisfy webhook.Func[stripe.CheckoutSession]"},
		{"wrongtx", "does not match inferred type"},
	} {
		t.Run(c.program, func(t *testing.T) {
			t.Parallel()
			out, err := goCommand("vet", "./testdata/"+c.program).CombinedOutput()
			if c.want == "" {
				require.NoError(t, err, string(out))
				return
			}
			require.Error(t, err)
			require.Contains(t, string(out), c.want)
		})
	}
}
