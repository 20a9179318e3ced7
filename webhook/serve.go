package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// ServeHTTP takes one delivery from Stripe. It checks, in this order and going no further than the first failure: the
// method (405), the content type (415), the signature header and its timestamp (400), the size (413), the signature
// (400), and that the payload is an event (400). Then it runs the event's handlers and answers 200 if they succeeded,
// if they had seen it before, if there are none, or if they failed for good ([Permanent]); and 500 if one failed or
// panicked, so that Stripe delivers it again (https://docs.stripe.com/webhooks#retries).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.seal()
	var res Result
	res.Status, res.Err = h.serve(r, &res)
	h.report(r.Context(), &res)
	if aborted(res.Err) {
		panic(http.ErrAbortHandler)
	}
	if res.Status == http.StatusOK {
		w.WriteHeader(http.StatusOK)
		return
	}
	if res.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	// The reason is for the log, not for whoever sent this.
	http.Error(w, strings.ToLower(http.StatusText(res.Status)), res.Status)
}

func (h *Handler) serve(r *http.Request, res *Result) (status int, err error) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, ErrMethod
	}
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
		return http.StatusUnsupportedMediaType, ErrContentType
	}
	// A second header line is one more element of the list, which then has a second timestamp.
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
	if err != nil && len(payload) == 0 { // chunked, so readBody had no length to compare with
		err = fmt.Errorf("%w: it is empty; perhaps %w", err, ErrBodyConsumed)
	}
	if err != nil {
		return http.StatusBadRequest, err
	}
	return h.handle(r.Context(), payload, true, res)
}

// readBody reads the request's body into buf, growing it as data comes and not on the word of Content-Length.
func (h *Handler) readBody(r *http.Request, buf *[]byte) (status int, err error) {
	*buf = (*buf)[:0]
	if r.ContentLength > h.cfg.MaxBytes {
		return http.StatusRequestEntityTooLarge, ErrTooLarge
	}
	body := r.Body
	if body == nil { // in requests that were not made by a server
		body = http.NoBody
	}
	for err == nil {
		if len(*buf) == cap(*buf) {
			grown := make([]byte, len(*buf), max(8<<10, 2*cap(*buf)))
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
		return readFailure(http.ErrBodyReadAfterClose) // a sender that stops short gives io.ErrUnexpectedEOF
	}
	return http.StatusOK, nil
}

func readFailure(err error) (status int, _ error) {
	var tooLarge *http.MaxBytesError // of a middleware with a smaller limit
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, ErrTooLarge
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return http.StatusInternalServerError, ErrBodyConsumed
	default:
		return http.StatusBadRequest, fmt.Errorf("%w: %w", ErrBodyRead, err)
	}
}

// report logs what went wrong and hands res to Config.Observe.
func (h *Handler) report(ctx context.Context, res *Result) {
	if res.Err != nil && !aborted(res.Err) {
		h.log(ctx, res)
	}
	if h.cfg.Observe != nil {
		h.cfg.Observe(*res)
	}
}

func (h *Handler) log(ctx context.Context, res *Result) {
	event := slog.Group("event", "id", res.EventID, "type", res.EventType)
	var panicked *PanicError
	switch {
	case errors.As(res.Err, &panicked):
		h.cfg.Logger.ErrorContext(ctx, "webhook: handler panicked", event, "error", res.Err, "stack", string(panicked.Stack))
	case res.Handlers > 0:
		h.cfg.Logger.ErrorContext(ctx, "webhook: handler failed", event, "status", res.Status, "error", res.Err)
	default:
		h.cfg.Logger.WarnContext(ctx, "webhook: delivery refused", event, "status", res.Status, "error", res.Err)
	}
}

// aborted reports whether a handler panicked with http.ErrAbortHandler, by which it asks net/http to hang up and to log
// nothing. Stripe takes that for a failure.
func aborted(err error) bool {
	if err == nil {
		return false
	}
	var p *PanicError
	return errors.As(err, &p) && p.Value == http.ErrAbortHandler
}
