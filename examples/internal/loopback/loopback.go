// Package loopback keeps pages that have no password on this machine.
package loopback

import (
	"net"
	"net/http"
	"net/url"
)

// Only refuses requests for another host than this machine, with the text of refusal. Otherwise the page of another site could
// have its own name lead here, and read what the pages show.
func Only(refusal string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := url.URL{Host: r.Host}
		if u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
			http.Error(w, refusal, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
