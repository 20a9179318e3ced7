package browser

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The audit itself finds the faults of a page, on every screen.
func TestTheAuditFindsFaults(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		_, _ = io.WriteString(w, `<!DOCTYPE html><html><head><title>Faults</title></head><body><main><h1>Faults</h1>
<p style="color:#ccc;background:#fff">faint</p><input><div style="width:2000px">wide</div>
<style>@media (prefers-color-scheme: dark) { #night { color: #333; background: #222 } }</style><p id="night">by night</p></main></body></html>`)
	}))
	t.Cleanup(server.Close)
	walk(t, func(t *testing.T, s screen) {
		p := s.open(t, server.URL)
		var a audit
		p.get(&a, "audit")
		found := strings.Join(a.Found, "\n")
		for _, want := range []string{"html-has-lang (light)", "label (light)", "color-contrast (light)", "#night"} {
			require.Contains(t, found, want)
		}
		require.NotRegexp(t, `(?s)color-contrast \(light\)[^\n]*#night`, found)
		require.Greater(t, a.Overflow, 600)
	})
}
