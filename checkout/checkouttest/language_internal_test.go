package checkouttest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every text of the pages has its translations, with the same arguments.
func TestTranslations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("templates/*.html")
	require.NoError(t, err)
	said := map[string]bool{}
	for _, file := range append(files, "page.go", "page_form.go", "receipts.go", "bank_transfers.go", "page_view.go", "session_fields.go") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, pattern := range []string{`Say\(?\s?"([^"]+)"`, `\.Head "([^"]+)"`, `(?:field [.$v]+|field\(v), ?(?:[^"]*)?"[^"]*",? "([^"]+)"`, `field [.$] "[^"]+" "([^"]+)"`,
			`need\("[^"]+", [^"]+, "([^"]+)"`, `"(Enter [a-z]+ digits\.)"`, `return "([A-Z][^"]+)", (?:nil|\[\]any)`, `"(?:hint|autocomplete)" "(Full name on card)"`} {
			for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
				said[found[1]] = true
			}
		}
	}
	require.Greater(t, len(said), 80)
	verbs := func(s string) string { return strings.Join(regexp.MustCompile(`%[sd]`).FindAllString(s, -1), "") }
	for text := range said {
		_, known := translations[text]
		require.True(t, known || strings.HasSuffix(text, " ") || text == "every %d ", "no translation of %q", text)
	}
	for text, translated := range translations {
		for i, other := range translated {
			require.NotEmpty(t, other, text)
			require.Equal(t, verbs(text), verbs(other), "%s in %s", text, languageTags[i+1])
		}
	}
	for _, c := range testCards {
		if c.refusal != nil {
			require.Contains(t, translations, c.refusal.Message)
		}
		if c.Effect != "" {
			require.Contains(t, translations, c.Effect)
		}
	}
	for l := range languageTags {
		require.Len(t, countries()[language(l)], len(countries()[english]))
	}
	require.Len(t, countries()[english], len(shippingCountries)-1, "all but ZZ")
}
