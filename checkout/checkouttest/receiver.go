package checkouttest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// sign makes the Stripe-Signature header, with one v1 for each secret: https://docs.stripe.com/webhooks#verify-manually
func sign(secrets []string, at time.Time, payload []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	header := "t=" + t
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(t + "."))
		mac.Write(payload)
		header += ",v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	return header
}

// A receiver takes deliveries.
type receiver interface {
	receive(ctx context.Context, header http.Header, payload []byte) (status int, _ error)
}

type inProcess struct{ h http.Handler }

func (to inProcess) receive(ctx context.Context, header http.Header, payload []byte) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://webhook.test/", bytes.NewReader(payload))
	if err != nil {
		return 0, err
	}
	r.Header, r.RequestURI, r.RemoteAddr = header, "/", "127.0.0.1:0"
	defer func() {
		if p := recover(); p != nil { // as net/http would: the connection is cut, the process lives
			status, err = 0, fmt.Errorf("the receiver panicked: %v", p)
		}
	}()
	w := newRecorder()
	to.h.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	return w.status, nil
}

type overHTTP struct {
	client *http.Client
	url    string
}

func newDeliveryClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a redirect is a failure
	}
}

func (to overHTTP) receive(ctx context.Context, header http.Header, payload []byte) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(payload))
	if err != nil {
		return 0, err
	}
	r.Header = header
	resp, err := to.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection can be used again
	return resp.StatusCode, nil
}
