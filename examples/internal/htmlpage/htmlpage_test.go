package htmlpage

import (
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	templates := template.Must(template.New("page").Parse(`<p>Hello {{.Name}}</p>`))
	w := httptest.NewRecorder()
	Write(w, slog.New(slog.DiscardHandler), http.StatusNotFound, templates, "page", map[string]string{"Name": "<b>"})
	require.Equal(t, http.StatusNotFound, w.Code)
	require.Equal(t, "<p>Hello &lt;b&gt;</p>", w.Body.String())
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'self';")
	require.NotContains(t, w.Header().Get("Content-Security-Policy"), "form-action", "the redirect to the payment page would be refused")

	// A template that fails in its middle answers 500, and nothing of the page.
	w = httptest.NewRecorder()
	Write(w, slog.New(slog.DiscardHandler), http.StatusOK, templates, "page", struct{ Other string }{})
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.NotContains(t, w.Body.String(), "Hello")
}
