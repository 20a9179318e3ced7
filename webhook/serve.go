package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ServeHTTP receives one delivery from Stripe. It checks the method (405), the content type (415), the signature header and its
// timestamp (400), the size (413), the signature (400), and that the payload is an event (400), in this order. The first
// failed check decides the answer.
//
// Then it calls the event's handlers. It answers 200 if they succeeded, if they have handled the event before, if the event
// has no handlers, and if they failed for good ([Permanent]). It answers 500 if one of them failed or panicked, so that Stripe
// delivers the event again (https://docs.stripe.com/webhooks#retries).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.seal()
	var res Result
	ctx, ended := h.begin(r.Context())
	res.Status, res.Err = h.serve(ctx, r, &res)
	h.report(ctx, &res, ended)
	if aborted(&res) {
		panic(http.ErrAbortHandler)
	}
	if res.Status == http.StatusOK {
		w.WriteHeader(http.StatusOK)
		return
	}
	refuse(w, res.Status)
}

// The values of the headers of a refusal. All refusals share them.
var (
	allowPost = []string{http.MethodPost}
	plainText = []string{"text/plain; charset=utf-8"}
	noSniff   = []string{"nosniff"}
)

// refuse answers as [http.Error] does, without allocating: anyone can send deliveries that are refused. The log gets the reason. The
// sender, who may not be Stripe, gets only what the status says.
func refuse(w http.ResponseWriter, status int) {
	header := w.Header()
	if status == http.StatusMethodNotAllowed {
		header["Allow"] = allowPost
	}
	header["Content-Type"] = plainText
	header["X-Content-Type-Options"] = noSniff
	w.WriteHeader(status)
	_, _ = io.WriteString(w, refusalText(status)) // the sender may be gone
}

// refusalText is the body of a refusal.
func refusalText(status int) string {
	switch status {
	case http.StatusMethodNotAllowed:
		return "method not allowed\n"
	case http.StatusUnsupportedMediaType:
		return "unsupported media type\n"
	case http.StatusRequestEntityTooLarge:
		return "request entity too large\n"
	case http.StatusInternalServerError:
		return "internal server error\n"
	default:
		return "bad request\n"
	}
}

// serve checks a delivery and handles its event.
func (h *Handler) serve(ctx context.Context, r *http.Request, res *Result) (status int, err error) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, ErrMethod
	}
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
		return http.StatusUnsupportedMediaType, ErrContentType
	}
	// Several header lines are joined to one list. checkHeader refuses its second timestamp.
	header := r.Header.Get("Stripe-Signature")
	if lines := r.Header.Values("Stripe-Signature"); len(lines) > 1 {
		header = strings.Join(lines, ",")
	}
	sig, err := h.checkHeader(header)
	if err != nil {
		return http.StatusBadRequest, err
	}

	start := h.cfg.Clock()
	buf, _ := h.buffers.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer h.buffers.Put(buf)
	status, err = h.readBody(r, buf)
	payload := *buf
	read := h.cfg.Clock()
	res.Bytes, res.Read = len(payload), read.Sub(start)
	if err != nil {
		return status, err
	}
	err = h.checkBody(&sig, payload)
	res.Verify = h.cfg.Clock().Sub(read)
	if err != nil && len(payload) == 0 { // the body was chunked, so readBody had no length to compare with
		err = fmt.Errorf("%w: it is empty; perhaps %w", err, ErrBodyConsumed)
	}
	if err != nil {
		return http.StatusBadRequest, err
	}
	return h.handle(ctx, payload, true, res)
}

// readBody reads the request's body into buf. It grows buf as data arrives, and does not trust Content-Length.
func (h *Handler) readBody(r *http.Request, buf *[]byte) (status int, err error) {
	*buf = (*buf)[:0]
	if r.ContentLength > h.cfg.MaxBytes {
		return http.StatusRequestEntityTooLarge, ErrTooLarge
	}
	body := r.Body
	if body == nil { // a request that no server has made
		body = http.NoBody
	}
	for err == nil {
		if len(*buf) == cap(*buf) {
			size := max(8<<10, 2*cap(*buf))
			if int64(size-1) > h.cfg.MaxBytes {
				size = int(h.cfg.MaxBytes) + 1 // one byte more than is allowed tells that a body is too large
			}
			grown := make([]byte, len(*buf), size)
			copy(grown, *buf)
			*buf = grown
		}
		var n int
		n, err = body.Read((*buf)[len(*buf):cap(*buf)])
		*buf = (*buf)[:len(*buf)+n]
		if int64(len(*buf)) > h.cfg.MaxBytes {
			return http.StatusRequestEntityTooLarge, ErrTooLarge
		}
	}
	if err != io.EOF {
		return readFailure(err)
	}
	if int64(len(*buf)) < r.ContentLength {
		return readFailure(http.ErrBodyReadAfterClose) // a sender that stops early causes io.ErrUnexpectedEOF instead
	}
	return http.StatusOK, nil
}

// readFailure returns the status and the error of a body that could not be read.
func readFailure(err error) (status int, _ error) {
	var tooLarge *http.MaxBytesError // from a middleware with a smaller limit
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, ErrTooLarge
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return http.StatusInternalServerError, ErrBodyConsumed
	default:
		return http.StatusBadRequest, fmt.Errorf("%w: %w", ErrBodyRead, err)
	}
}
