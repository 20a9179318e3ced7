// Package htmlpage answers with the pages of the examples.
package htmlpage

import (
	"bytes"
	"html/template"
	"log/slog"
	"net/http"
)

// Write answers with the page that a template makes of data. The whole page is made before the answer begins, so that a template
// that fails is an answer of 500 and not half a page. The headers keep the page out of caches and out of the frames of other sites,
// and let the page load from its own site alone.
func Write(w http.ResponseWriter, log *slog.Logger, status int, templates *template.Template, name string, data any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		log.Error("page failed", "page", name, "error", err)
		http.Error(w, "the page could not be made: see the log", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	// form-action is left out: a browser would apply it to the redirect to the payment page, too.
	h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
