package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// A guard refuses requests that the program must not answer.
type guard struct {
	network bool   // -allow-network
	public  string // the host name of -url
	token   string // that the control listener requires; empty: none
}

// hosts refuses requests by a host name that is not this program's. Otherwise the page of another site could have its own name lead here,
// and read what the program shows. With -allow-network, addresses and names without a dot pass, too: those of containers. No site has such
// a name.
func (g guard) hosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := url.URL{Host: r.Host}
		name := strings.ToLower(u.Hostname())
		ip := net.ParseIP(name)
		ours := name == "localhost" || ip.IsLoopback() || g.public != "" && name == g.public ||
			g.network && (ip != nil || name == "host.docker.internal" || name != "" && !strings.Contains(name, "."))
		if !ours {
			http.Error(w, "this is a test server, which does not answer to this host name: use an address, or start it with -url", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// control refuses requests of other origins, reading ones too, and asks for the token.
func (g guard) control(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if !fromHere(r) {
			http.Error(w, "another origin asked for this page, which shows keys: type its address", http.StatusForbidden)
			return
		}
		if g.token != "" && !g.hasToken(r) {
			h.Set("WWW-Authenticate", `Basic realm="control", charset="UTF-8"`)
			http.Error(w, "give the token: as a bearer token, or as the password", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fromHere reports whether a request comes from the page itself, from an address that was typed, or from a program that is no browser.
func fromHere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		origin := r.Header.Get("Origin")
		u, err := url.Parse(origin)
		return origin == "" || err == nil && u.Host == r.Host
	default:
		return false
	}
}

// hasToken reports whether a request carries the token. The comparison tells nothing by its time.
func (g guard) hasToken(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, given, _ = r.BasicAuth()
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(g.token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
