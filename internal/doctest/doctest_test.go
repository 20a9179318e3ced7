package doctest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// The documentation names only things that exist.
func TestDocumentationNamesWhatExists(t *testing.T) {
	t.Parallel()
	tr := readTree(t, root)
	pages := map[string]bool{}
	for _, d := range tr.docs {
		pages[d.path] = true
	}
	for _, page := range []string{"README.md", "CONTRIBUTING.md", "docs/design.md", "examples/shop/README.md", "checkout/doc.go", "webhook/doc.go"} {
		require.True(t, pages[page], "%s was not read", page)
	}
	for _, d := range tr.docs {
		for _, missing := range tr.check(d) {
			t.Error(missing)
		}
	}
}

// Each invariant in docs/design.md names a test.
func TestEveryInvariantHasATest(t *testing.T) {
	t.Parallel()
	_, section, found := strings.Cut(page(t, "docs/design.md"), "## The invariants\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	rows := 0
	for line := range strings.SplitSeq(section, "\n") {
		if regexp.MustCompile(`^\| \d+ \|`).MatchString(line) {
			rows++
			require.Regexp(t, testName, line)
		}
	}
	require.GreaterOrEqual(t, rows, 10)
}

// Each guarantee in README.md names a test.
func TestEveryGuaranteeHasATest(t *testing.T) {
	t.Parallel()
	_, section, found := strings.Cut(page(t, "README.md"), "## What is guaranteed\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	guarantees := regexp.MustCompile(`(?ms)^- \*\*.*?(?:\n\n|\z|^- )`).FindAllString(strings.ReplaceAll(section, "\n- **", "\n\n- **"), -1)
	require.Greater(t, len(guarantees), 8)
	for _, guarantee := range guarantees {
		require.Regexp(t, testName, guarantee)
	}
}

// docs/design.md names each action of checkout/next.go, and each of its reasons.
func TestDesignHasEveryStep(t *testing.T) {
	t.Parallel()
	design := page(t, "docs/design.md")
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "checkout/next.go"), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	texts := 0
	ast.Inspect(f, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		require.NoError(t, err)
		if !strings.Contains(text, " ") {
			return true
		}
		for _, part := range regexp.MustCompile(`%\w`).Split(text, -1) {
			texts++
			require.Contains(t, design, strings.TrimSpace(part), "the table of steps in docs/design.md lacks a text of checkout/next.go")
		}
		return true
	})
	require.Greater(t, texts, 20)
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(text)
}

// The check finds each kind of name that does not exist. It accepts names that exist and names of other projects.
func TestCheckFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	tr := newTree()
	for _, file := range []string{"shop", "shop/cart.go", "docs", "docs/shop.md"} {
		tr.files[file] = true
	}
	tr.bases["cart.go"] = true
	tr.variables["FULFIL_TEST_SEED"] = true
	require.NoError(t, tr.declare("shop/cart.go", []byte(`package shop
		// Cart is a type.
		type Cart struct { Lines []string; hidden int }
		func (c *Cart) Add() {}
		type Box[T any] struct{}
		func (b *Box[T]) Open() {}
		var ErrEmpty error
		func addAll() {}`)))
	require.NoError(t, tr.declare("shop/cart_test.go", []byte("package shop_test\nfunc TestAdd() {}\nfunc ExampleCart_Add() {}")))
	tr.docs = append(tr.docs, document{path: "docs/shop.md", text: "## Adding to a cart: `Add`\n"})

	for text, missing := range map[string]string{
		"`TestAdd`, shop.TestAdd and ExampleCart_Add": "",
		"TestRemove":                                "test",
		"shop.TestRemove":                           "test",
		"ExampleCart_Remove":                        "test",
		"FULFIL_TEST_SEED=7":                        "",
		"FULFIL_TEST_SEEDS=7":                       "variable",
		"`shop.Cart`, `Cart.Add`, `shop.Box.Open`":  "",
		"`Cart.Lines` of shop.Cart.Lines":           "",
		"`shop.Basket`":                             "identifier",
		"call shop.Basket there":                    "identifier",
		"`Cart.Remove(ctx, id)`":                    "identifier",
		"`shop.Cart.Remove`":                        "identifier",
		"`Cart.hidden`":                             "identifier",
		"`ErrEmpty`, `addAll`, `Add(line)`":         "",
		"`ErrFull`":                                 "identifier",
		"`addNone`":                                 "identifier",
		"`http.Handler`, `sql.DB.Begin`":            "",
		"`cart.go`, `shop/cart.go`, `shop/*.go`":    "",
		"`order.go`":                                "file",
		"`shop/order.go`":                           "file",
		"`shop/orders`":                             "file",
		"[cart](shop/cart.go)":                      "",
		"[cart](docs/shop.md#adding-to-a-cart-add)": "",
		"[cart](docs/shop.md#selling)":              "heading",
		"[cart](cart.go)":                           "file",
		"[Stripe](https://docs.stripe.com/none)":    "",
	} {
		found := tr.check(document{path: "README.md", text: text})
		if missing == "" {
			require.Empty(t, found, text)
			continue
		}
		require.Len(t, found, 1, text)
		require.Contains(t, found[0], missing, text)
	}
	require.Empty(t, tr.check(document{path: "shop/cart.go", pkg: "shop", text: "[Cart] [Cart.Add] [shop.Cart] [context.Context] [*Box]"}))
	require.Len(t, tr.check(document{path: "shop/cart.go", pkg: "shop", text: "[Basket] [Cart.Remove]"}), 2)
}
