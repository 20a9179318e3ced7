package checkouttest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"syscall"
)

// memoryHost is the host of a server without a listener. The name cannot resolve: RFC 6761 reserves it.
const memoryHost = "stripe.test"

// Transport returns a transport that reaches the server without a socket, and reaches no other host. Wrap it to lose, delay
// or count requests.
func (s *Server) Transport() http.RoundTripper { return memoryTransport{s} }

type memoryTransport struct{ s *Server }

// RoundTrip implements http.RoundTripper. It serves the request in the caller's goroutine.
func (t memoryTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if got := r.URL.Scheme + "://" + r.URL.Host; got != t.s.base {
		return nil, fmt.Errorf("checkouttest: Server.Transport reaches %s only, not %s: use another client for other hosts", t.s.base, got)
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := newRecorder()
	if cut := t.s.serveUncut(w, in); cut {
		return nil, fmt.Errorf("checkouttest: %w", syscall.ECONNRESET)
	}
	return w.response(r), nil
}

// serveUncut serves a request, and reports whether a fault cut the connection.
func (s *Server) serveUncut(w http.ResponseWriter, r *http.Request) (cut bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			cut = true
		} else if p != nil {
			panic(p)
		}
	}()
	s.ServeHTTP(w, r)
	return false
}

// A recorder keeps the answer of a handler that has no connection.
type recorder struct {
	status int
	header http.Header // that the handler changes
	sent   http.Header // the header at the time of WriteHeader
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

func (w *recorder) response(r *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.sent,
		Body:          io.NopCloser(bytes.NewReader(w.body.Bytes())),
		ContentLength: int64(w.body.Len()),
		Request:       r,
	}
}
