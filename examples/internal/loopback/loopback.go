// Package loopback keeps pages that have no password on this machine.
package loopback

import (
	"fmt"
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

// Listen listens on the loopback address that the user gave by a flag, and refuses other addresses. example is an address that
// an error suggests.
func Listen(flag, addr, example string) (net.Listener, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	if !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("%s %s: not a loopback address: use one such as %s", flag, addr, example)
	}
	listener, err := net.ListenTCP("tcp", tcp)
	if err != nil {
		return nil, fmt.Errorf("%w: use another port, as with %s 127.0.0.1:0, which takes one that is free", err, flag)
	}
	return listener, nil
}
