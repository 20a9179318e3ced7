package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// unread fails the test if it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read before the header was checked")
	return 0, io.EOF
}
func (u unread) Close() error { return nil }

// Bad input of every kind gets its status, is observed, and reaches no handler.
func TestBadInput(t *testing.T) {
	t.Parallel()
	good := `{"id":"evt_1","object":"event","type":"charge.failed","data":{"object":{"id":"ch_1","object":"charge"}}}`
	zeros := strings.Repeat("0", 64)
	stamp := fmt.Sprint(testNow.Unix())
	valid := webhooktest.Sign([]byte(good), testSecret, testNow)
	body := func(payload string) func(*http.Request) {
		return func(r *http.Request) {
			*r = *webhooktest.NewRequest("/", []byte(payload), testSecret, testNow)
		}
	}
	header := func(value string) func(*http.Request) { // sent with a body that must not be read
		return func(r *http.Request) {
			r.Header.Set("Stripe-Signature", value)
			r.Body = unread{t}
		}
	}
	reader := func(body io.Reader) func(*http.Request) {
		return func(r *http.Request) { r.Body = io.NopCloser(body) }
	}
	closed := io.NopCloser(iotest.ErrReader(http.ErrBodyReadAfterClose))
	for _, c := range []struct {
		name   string
		change func(r *http.Request)
		status int
		want   error
	}{
		{"GET", func(r *http.Request) { r.Method = http.MethodGet }, 405, ErrMethod},
		{"PUT with everything else wrong too", func(r *http.Request) { r.Method = http.MethodPut; r.Header = nil }, 405, ErrMethod},
		{"no content type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415, ErrContentType},
		{"a form, unsigned", func(r *http.Request) {
			r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		}, 415, ErrContentType},
		{"text", func(r *http.Request) { r.Header.Set("Content-Type", "application/jsonp") }, 415, ErrContentType},

		{"unsigned", func(r *http.Request) { r.Header.Del("Stripe-Signature"); r.Body = unread{t} }, 400, ErrNoSignature},
		{"empty header", header(""), 400, ErrNoSignature},
		{"junk", header("hello"), 400, ErrHeader},
		{"no timestamp", header("v1=" + zeros), 400, ErrHeader},
		{"empty timestamp", header("t=,v1=" + zeros), 400, ErrHeader},
		{"negative timestamp", header("t=-5,v1=" + zeros), 400, ErrHeader},
		{"timestamp with sign", header("t=+" + stamp + ",v1=" + zeros), 400, ErrHeader},
		{"timestamp too large for a clock", header("t=99999999999999999999,v1=" + zeros), 400, ErrHeader},
		{"largest timestamp", header("t=4611686018427387903,v1=" + zeros), 400, ErrTimestamp},
		{"repeated timestamp", header("t=" + stamp + "," + valid), 400, ErrHeader},
		{"timestamp repeated in another line", func(r *http.Request) {
			r.Header.Add("Stripe-Signature", valid)
			r.Body = unread{t}
		}, 400, ErrHeader},
		{"no signature", header("t=" + stamp), 400, ErrHeader},
		{"only other schemes", header("t=" + stamp + ",v0=" + zeros), 400, ErrHeader},
		{"short signature", header("t=" + stamp + ",v1=" + zeros[1:]), 400, ErrHeader},
		{"signature that is not hexadecimal", header("t=" + stamp + ",v1=" + zeros[1:] + "g"), 400, ErrHeader},
		{"ten thousand signatures", header("t=" + stamp + strings.Repeat(",v1="+zeros, 10000)), 400, ErrHeader},
		{"ten thousand short signatures", header("t=" + stamp + strings.Repeat(",v1=0", 10000)), 400, ErrHeader},
		{"stale", header(webhooktest.Sign([]byte(good), testSecret, testNow.Add(-DefaultTolerance-time.Second))), 400, ErrTimestamp},
		{"future", header(webhooktest.Sign([]byte(good), testSecret, testNow.Add(DefaultTolerance+time.Second))), 400, ErrTimestamp},

		{"declared too large", func(r *http.Request) { r.Body = unread{t}; r.ContentLength = DefaultMaxBytes + 1 }, 413, ErrTooLarge},
		{"too large", func(r *http.Request) {
			body("[" + strings.Repeat(" ", DefaultMaxBytes) + "]")(r)
			r.ContentLength = -1
		}, 413, ErrTooLarge},
		{"too large for an outer limit", func(r *http.Request) {
			r.Body = http.MaxBytesReader(nil, r.Body, 10)
		}, 413, ErrTooLarge},
		{"hung up", reader(io.MultiReader(strings.NewReader(good[:20]), iotest.ErrReader(io.ErrUnexpectedEOF))), 400, ErrBodyRead},
		{"body consumed", reader(http.NoBody), 500, ErrBodyConsumed},
		{"body half consumed", reader(strings.NewReader(good[20:])), 500, ErrBodyConsumed},
		{"body consumed and closed", func(r *http.Request) { r.Body = closed }, 500, ErrBodyConsumed},
		{"no body at all", func(r *http.Request) { r.Body = nil }, 500, ErrBodyConsumed},

		{"chunked body consumed", func(r *http.Request) {
			r.Body, r.ContentLength = http.NoBody, -1
		}, 400, ErrBodyConsumed},

		{"signed with another secret", func(r *http.Request) {
			*r = *webhooktest.NewRequest("/", []byte(good), "whsec_other", testNow)
		}, 400, ErrSignature},
		{"signed with an empty secret", func(r *http.Request) {
			*r = *webhooktest.NewRequest("/", []byte(good), "", testNow)
		}, 400, ErrSignature},
		{"body changed", reader(strings.NewReader(strings.Replace(good, "ch_1", "ch_2", 1))), 400, ErrSignature},
		{"timestamp changed", func(r *http.Request) {
			r.Header.Set("Stripe-Signature", strings.Replace(valid, stamp, fmt.Sprint(testNow.Unix()+1), 1))
		}, 400, ErrSignature},

		{"empty", body(""), 400, ErrEnvelope},
		{"not JSON", body("hello"), 400, ErrEnvelope},
		{"null", body("null"), 400, ErrEnvelope},
		{"a list", body("[" + good + "]"), 400, ErrEnvelope},
		{"truncated", body(good[:len(good)-1]), 400, ErrEnvelope},
		{"something after it", body(good + "x"), 400, ErrEnvelope},
		{"a bare object", body(`{"id":"ch_1","object":"charge","type":"charge.failed","data":{"object":{}}}`), 400, ErrEnvelope},
		{"deeper than encoding/json goes", body(strings.Replace(good, "{", `{"x":`+strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001)+",", 1)), 400, ErrEnvelope},
		{"no id", body(strings.Replace(good, `"id":"evt_1",`, "", 1)), 400, ErrEnvelope},
		{"numeric id", body(strings.Replace(good, `"evt_1"`, "1", 1)), 400, ErrEnvelope},
		{"no type", body(strings.Replace(good, `"type":"charge.failed",`, "", 1)), 400, ErrEnvelope},
		{"created is text", body(strings.Replace(good, `{`, `{"created":"x",`, 1)), 400, ErrEnvelope},
		{"created is a fraction", body(strings.Replace(good, `{`, `{"created":1.5,`, 1)), 400, ErrEnvelope},
		{"no data", body(`{"id":"evt_1","object":"event","type":"charge.failed"}`), 400, ErrEnvelope},
		{"null data", body(`{"id":"evt_1","object":"event","type":"charge.failed","data":null}`), 400, ErrEnvelope},
		{"data is a list", body(`{"id":"evt_1","object":"event","type":"charge.failed","data":[]}`), 400, ErrEnvelope},
		{"no object", body(`{"id":"evt_1","object":"event","type":"charge.failed","data":{}}`), 400, ErrEnvelope},
		{"null object", body(`{"id":"evt_1","object":"event","type":"charge.failed","data":{"object":null}}`), 400, ErrEnvelope},
		{"object is an ID", body(`{"id":"evt_1","object":"event","type":"charge.failed","data":{"object":"ch_1"}}`), 400, ErrEnvelope},
		{"object's object is a number", body(strings.Replace(good, `"charge"`, "7", 1)), 400, ErrEnvelope},
		{"object without a name", body(strings.Replace(good, `,"object":"charge"`, "", 1)), 400, ErrWrongObject},
		{"wrong object for the type", body(strings.Replace(good, `"charge"`, `"refund"`, 1)), 400, ErrWrongObject},
		{"duplicate key, the last of which is wrong", body(strings.Replace(good, `"charge"`, `"charge","object":"refund"`, 1)), 400, ErrWrongObject},
		{"wrong object by another case", body(strings.Replace(good, `"charge"`, `"charge","Object":"refund"`, 1)), 400, ErrWrongObject},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var seen results
			h := newTestHandler(t, Config{Observe: seen.observe})
			On(h, ChargeFailed, func(context.Context, *Event[stripe.Charge]) error {
				t.Error("the handler was called")
				return nil
			})
			r := webhooktest.NewRequest("/", []byte(good), testSecret, testNow)
			c.change(r)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)

			require.Equal(t, c.status, w.Code)
			res := seen.only(t)
			require.Equal(t, c.status, res.Status)
			require.ErrorIs(t, res.Err, c.want)
			require.Zero(t, res.Handlers)
			require.Empty(t, res.EventID)
			require.Equal(t, strings.ToLower(http.StatusText(c.status))+"\n", w.Body.String(), "an answer must not explain")
			if c.status == http.StatusMethodNotAllowed {
				require.Equal(t, "POST", w.Header().Get("Allow"))
			}
			for _, private := range []string{testSecret, "evt_1", "ch_1", zeros} {
				require.NotContains(t, res.Err.Error(), private)
			}
		})
	}
}

// Unusual input that is valid.
func TestOddInputIsHandled(t *testing.T) {
	t.Parallel()
	good := `{"id":"evt_1","object":"event","type":"charge.failed","data":{"object":{"id":"ch_1","object":"charge"}}}`
	sign := func(payload string, at time.Time) string { return webhooktest.Sign([]byte(payload), testSecret, at) }
	zeros := strings.Repeat("0", 64)
	valid := sign(good, testNow)
	for _, c := range []struct{ name, payload, header string }{
		{"plain", good, valid},
		{"as old as can be", good, sign(good, testNow.Add(-DefaultTolerance))},
		{"as far ahead as can be", good, sign(good, testNow.Add(DefaultTolerance))},
		{"junk header parts", good, "x,=,a=b=c,t,v1,v0=" + zeros + "," + valid + ",,v9=="},
		{"spaces between parts", good, strings.ReplaceAll(valid, ",", ", ")},
		{"upper case digits", good, valid[:16] + strings.ToUpper(valid[16:])},
		{"a rolled secret's signature first", good, strings.Replace(valid, ",", ",v1="+zeros+",", 1)},
		{"request is a string, as in old API versions", strings.Replace(good, "{", `{"request":"req_1",`, 1), ""},
		{"request is null", strings.Replace(good, "{", `{"request":null,`, 1), ""},
		{"everything is null", strings.Replace(good, "{", `{"account":null,"api_version":null,"created":null,"livemode":null,`, 1), ""},
		{"no object name in the envelope", strings.Replace(good, `"object":"event",`, "", 1), ""},
		{"duplicate keys, the last of which count", strings.Replace(good, "{", `{"id":"evt_0","type":"charge.updated",`, 1), ""},
		{"escapes", strings.Replace(good, "charge.failed", `charge\u002efailed`, 1), ""},
		{"white space around it", "\n " + good + "\t\r\n", ""},
		{"very deep", strings.Replace(good, `"ch_1"`, `"ch_1","x":`+strings.Repeat("[", 500)+strings.Repeat("]", 500), 1), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newTestHandler(t, Config{})
			var id string
			On(h, ChargeFailed, func(_ context.Context, e *Event[stripe.Charge]) error {
				id = e.ID + " " + e.Object.ID
				require.Equal(t, c.payload, string(e.Raw))
				return nil
			})
			r := webhooktest.NewRequest("/", []byte(c.payload), testSecret, testNow)
			if c.header != "" {
				r.Header.Set("Stripe-Signature", c.header)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, http.StatusOK, w.Code)
			require.Empty(t, w.Body.String())
			require.Equal(t, "evt_1 ch_1", id)
		})
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{})
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"} {
		r := webhooktest.NewRequest("/", []byte(completedPayload), testSecret, testNow)
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code, contentType)
	}
}

// Each of several secrets is accepted. Every body up to the limit is read whole, also one that arrives byte by byte.
func TestSecretsAndBodies(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{Secrets: []string{"whsec_a", "whsec_b"}, MaxBytes: 40_000})
	var raw []byte
	Fallback(h, func(_ context.Context, e *Event[json.RawMessage]) error { raw = e.Raw; return nil })
	for i, size := range []int{100, 8 << 10, 8<<10 + 1, 20_000, 40_000} {
		payload := webhooktest.Event{Type: "x", Object: map[string]string{"text": ""}}.Payload()
		payload = bytes.Replace(payload, []byte(`"text": "`), []byte(`"text": "`+strings.Repeat("x", max(0, size-len(payload)))), 1)
		r := webhooktest.NewRequest("/", payload, []string{"whsec_a", "whsec_b"}[i%2], testNow)
		if i%2 == 1 {
			r.Body = io.NopCloser(iotest.OneByteReader(r.Body))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, payload, raw)
	}
}

// A real net/http server treats consumed bodies as the other tests assume.
func TestBehindRealServer(t *testing.T) {
	t.Parallel()
	var seen results
	hook := newTestHandler(t, Config{Observe: seen.observe})
	mux := http.NewServeMux()
	mux.Handle("/plain", hook)
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		hook.ServeHTTP(w, r)
	})
	mux.HandleFunc("/closed", func(w http.ResponseWriter, r *http.Request) {
		_ = r.Body.Close()
		hook.ServeHTTP(w, r)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	for _, c := range []struct {
		path   string
		chunks bool
		status int
		want   error
	}{
		{"/plain", false, 200, nil},
		{"/plain", true, 200, nil},
		{"/read", false, 500, ErrBodyConsumed},
		{"/read", true, 400, ErrBodyConsumed},
		{"/closed", false, 500, ErrBodyConsumed},
		{"/closed", true, 500, ErrBodyConsumed},
	} {
		seen.all = nil
		r := webhooktest.NewRequest(srv.URL+c.path, []byte(completedPayload), testSecret, testNow)
		if c.chunks {
			r.ContentLength = -1
		}
		resp, err := srv.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, c.status, resp.StatusCode, c)
		require.ErrorIs(t, seen.only(t).Err, c.want, c)
	}
}

// A sender that closes the connection early is not mistaken for a middleware that has read the body.
func TestSenderHangsUp(t *testing.T) {
	t.Parallel()
	done := make(chan Result, 1)
	hook := newTestHandler(t, Config{Observe: func(ctx context.Context) (context.Context, func(Result)) { return ctx, func(r Result) { done <- r } }})
	srv := httptest.NewServer(hook)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nStripe-Signature: %s\r\n\r\n%s",
		len(completedPayload), webhooktest.Sign([]byte(completedPayload), testSecret, testNow), completedPayload[:1000])
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	res := <-done
	require.ErrorIs(t, res.Err, ErrBodyRead)
	require.Equal(t, http.StatusBadRequest, res.Status)
}

// A body whose sender names no length grows the buffer step by step, and not beyond one byte more than is allowed.
func TestBodyBufferIsBounded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 100, 8 << 10, 8<<10 + 1, 100_000, 200_000} {
		h := newTestHandler(t, Config{MaxBytes: 100_000})
		r := newReplay(bytes.Repeat([]byte(" "), size))
		r.ContentLength = -1
		r.body.Reset(r.data)
		var buf []byte
		_, err := h.readBody(r.Request, &buf)
		if size > 100_000 {
			require.ErrorIs(t, err, ErrTooLarge)
		} else {
			require.NoError(t, err)
			require.Len(t, buf, size)
		}
		require.LessOrEqual(t, cap(buf), 100_001)
	}
}
