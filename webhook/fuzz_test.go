package webhook

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// checkScan holds the scanner to its promise: what it accepts encoding/json reads in the same way.
func checkScan(t *testing.T, payload []byte) (scanned bool) {
	t.Helper()
	given := bytes.Clone(payload)
	got, ok := scanEnvelope(payload)
	require.Equal(t, given, payload, "the payload was changed")
	if !ok {
		return false
	}
	require.True(t, json.Valid(payload), "accepted what is not JSON")
	want, err := decodeEnvelope(payload)
	require.NoError(t, err, "accepted what encoding/json refuses")
	for _, field := range []struct {
		name      string
		got, want []byte
	}{
		{"id", got.id, want.id},
		{"object", got.object, want.object},
		{"type", got.typ, want.typ},
		{"api_version", got.apiVersion, want.apiVersion},
		{"account", got.account, want.account},
		{"created", got.created, want.created},
		{"data.object", got.data, want.data},
		{"data.previous_attributes", got.previous, want.previous},
		{"data.object.object", got.objectName, want.objectName},
	} {
		require.Equal(t, string(field.want), string(field.got), field.name)
	}
	require.Equal(t, want.livemode, got.livemode)
	require.Equal(t, want.check(), got.check())
	clone := bytes.Clone(payload)
	moved := got.in(clone)
	clear(payload)
	require.Equal(t, string(want.data), string(moved.data), "in a copy")
	require.Equal(t, string(want.previous), string(moved.previous), "in a copy")
	return true
}

var scanSeeds = []string{
	completedPayload,
	`{"id":"evt_1","object":"event","type":"charge.failed","data":{"object":{"id":"ch_1","object":"charge"}}}`,
	`{"id":"evt_1","object":"event","api_version":null,"created":1700000000,"livemode":true,"account":"acct_1","type":"x","data":{"previous_attributes":{"a":[1,2]},"object":{"object":null}}}`,
	`{"id":"evt_1","object":"v2.core.event","created":"2025-08-27T10:00:00Z","type":"x","related_object":null}`,
	`{"id":1}`, `{"id":"\u0041"}`, `{"ID":"x"}`, `{"id":"x","id":"y"}`, `{"data":null}`, `{"data":{},"data":{"object":{}}}`,
	`{"data":{"object":[]}}`, `{"data":{"previous_attributes":null}}`, `{"livemode":1}`, `{"livemode":nul}`, `{"a":-0.5e+10,"b":01}`,
	`{"a":"\ud800\"\\"}`, "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}", `{"a":[{},[],"",0,-1,true,false,null]}`, `{"a":1,}`, `{,}`, `{"a"}`,
	`{"a":1}}`, `{} {}`, ``, ` `, `null`, `{`, "{}\x00", `{"a":tru}`, `{"a":1.}`, `{"a":1e}`, `{"a":-}`, `{"a":"\x"}`, `{"a":"\u12`, `{"created":1e3}`,
	`{"livemode":true,"livemode":null}`, `{"livemode":true,"livemode":false}`, `{"id":"x","id":null}`, `{"created":1,"created":null}`,
	`{"data":{"object":{"object":"charge"},"object":{"id":"x"}}}`, `{"data":{"object":{"object":"x"},"object":null}}`,
	`{"data":{"previous_attributes":{"a":1},"previous_attributes":null,"object":{}}}`,
	`{"data":{"previous_attributes":{"a":1},"object":{"object":"x"}},"data":{"object":{"object":"y","object":null}}}`,
	`{"ıd":"x"}`, `{"ſ":1}`, `{"data":{"Object":{}}}`, `{"data":{"object":{"OBJECT":"x","object":"y"}}}`, `{"a":"\`, `["a"}`, `{"a":[1}}`, `{"a" 1}`,
}

// The scanner must take all usual payloads, as encoding/json takes more time.
func TestScannerTakesWhatIsUsual(t *testing.T) {
	t.Parallel()
	for _, payload := range append(scanSeeds[:4:4], shortPayload) {
		require.True(t, checkScan(t, []byte(payload)), payload)
	}
	for _, payload := range scanSeeds {
		checkEnvelope(t, []byte(payload))
	}
}

// FuzzEnvelope has short seeds only, because go test spends a minute on making a long one shorter. TestCorpus reads long payloads.
func FuzzEnvelope(f *testing.F) {
	for _, payload := range scanSeeds {
		if payload != completedPayload {
			f.Add([]byte(payload))
		}
	}
	f.Add([]byte(shortPayload))
	f.Fuzz(checkEnvelope)
}

// checkEnvelope holds readEnvelope to what it promises, and the scanner to what encoding/json says.
func checkEnvelope(t *testing.T, payload []byte) {
	checkScan(t, bytes.Clone(payload))
	e, err := readEnvelope(payload)
	if err != nil {
		require.True(t, errors.Is(err, ErrEnvelope) || errors.Is(err, ErrWrongObject), "%v", err)
		return
	}
	require.NotEmpty(t, e.id)
	require.NotEmpty(t, e.typ)
	require.True(t, json.Valid(payload))
	if !e.thin() {
		var object map[string]any
		require.NoError(t, json.Unmarshal(e.data, &object), "data.object")
	}
}

// shortPayload has every shape that completedPayload has: indentation, escapes, nesting, numbers, and each field of an envelope.
const shortPayload = `{
  "id": "evt_1",
  "object": "event",
  "api_version": "2025-08-27.basil",
  "created": 1700000000,
  "data": {
    "object": {
      "id": "cs_1",
      "object": "checkout.session",
      "amount": 3998,
      "on": true,
      "off": null,
      "fields": [{"label": "For \"J\"", "max": 40}],
      "line1": "Musterstra\u00dfe"
    }
  },
  "livemode": false,
  "request": {"id": null},
  "type": "checkout.session.completed"
}`

// oracleHeader says what a header means, in the plainest way.
func oracleHeader(header string) (stamp string, v1 []string, ok bool) {
	stamps := 0
	for _, part := range strings.Split(header, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if raw, err := hex.DecodeString(value); found && name == "v1" && err == nil && len(raw) == 32 {
			v1 = append(v1, strings.ToLower(value))
		} else if found && name == "t" {
			stamp = value
			stamps++
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	plain := strings.Trim(stamp, "0123456789") == "" && err == nil && seconds < 1<<62
	return stamp, v1, stamps == 1 && plain && len(v1) > 0 && len(v1) <= maxSignatures
}

func FuzzSignatureHeader(f *testing.F) {
	valid := webhooktest.Sign([]byte("{}"), testSecret, testNow)
	for _, header := range []string{
		valid, "", "t=", "t=1", "v1=", ",", "=", "t=1,t=1", valid + "," + valid, valid + ",v1=00", "x=y=z, " + valid,
		valid + strings.Repeat(valid[12:], 17), "t=-1" + valid[12:], "t=9223372036854775808" + valid[12:], strings.ToUpper(valid),
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		sig, err := parseSignature(header)
		stamp, v1, ok := oracleHeader(header)
		if !ok && err == nil || ok && err != nil {
			// The parser stops at the first signature too many, whether it is well-formed or not.
			require.True(t, ok && strings.Count(header, "v1=") > maxSignatures, "parser says %v", err)
			return
		}
		if err != nil {
			require.True(t, errors.Is(err, ErrHeader) || errors.Is(err, ErrNoSignature) && header == "", "%v", err)
			return
		}
		require.Equal(t, stamp, sig.stamp)
		require.Equal(t, len(v1), sig.n)
		for i := range v1 {
			require.Equal(t, v1[i], hex.EncodeToString(sig.v1[i][:]))
		}
	})
}

// FuzzThin holds the handling of thin events to its promises: no payload makes it panic or ask for anything but an object of the v1
// API, and no error quotes the payload.
func FuzzThin(f *testing.F) {
	const secretText = "jenny@shop.example"
	for _, payload := range []string{
		string(thinInvoicePaid("evt_1")), `{"id":"e","object":"v2.core.event","type":"v1.invoice.paid"}`,
		`{"id":"e","object":"v2.core.event","type":"v1.invoice.paid","created":"` + secretText + `"}`,
		`{"id":"e","object":"v2.core.event","type":"v1.invoice.paid","context":"acct_1/acct_2","related_object":{"type":"invoice","url":"/v1/` + secretText + `"}}`,
		`{"id":"e","object":"v2.core.event","type":"v1.x","related_object":null,"snapshot_event":"../` + secretText + `"}`,
		`{"id":"e","object":"v2.core.event","type":"v1.","related_object":[]}`, `{"id":"e","object":"v2.core.event","type":"v1.invoice.paid","related_object":{"url":"https://x"}}`,
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		srv := &fakeStripe{answers: map[string]string{"/v1/invoices/in_1": `{"object":"invoice"}`}}
		h := newTestHandler(t, Config{Client: srv.client()})
		On(h, InvoicePaid, ignore[stripe.Invoice])
		On(h, Type[Ref[stripe.Invoice]](InvoicePaid), func(_ context.Context, e *Event[Ref[stripe.Invoice]]) error {
			_ = e.Object.ID()
			return nil
		})
		Fallback(h, ignore[json.RawMessage])
		err := h.Dispatch(t.Context(), payload)
		if err != nil {
			require.NotContains(t, err.Error(), secretText)
		}
		for _, r := range srv.requests {
			require.Equal(t, "https://api.stripe.com", r.URL.Scheme+"://"+r.URL.Host)
			require.True(t, strings.HasPrefix(r.URL.Path, "/v1/"), r.URL.Path)
			require.NotContains(t, r.URL.Path, "..")
		}
	})
}

// FuzzEnvelopesOfClouds: whatever comes out of an envelope is an event that Dispatch can read.
func FuzzEnvelopesOfClouds(f *testing.F) {
	f.Add([]byte(bridgeEnvelope))
	f.Add([]byte(gridEnvelope))
	f.Add([]byte(`{"source":"aws.partner/stripe.com/","detail":null}`))
	f.Fuzz(func(t *testing.T, envelope []byte) {
		for _, unwrap := range []func([]byte) ([]byte, error){FromEventBridge, FromEventGrid} {
			payload, err := unwrap(envelope)
			if err != nil {
				require.True(t, errors.Is(err, ErrEnvelope) || errors.Is(err, ErrWrongObject), "%v", err)
				continue
			}
			_, err = readEnvelope(payload)
			require.NoError(t, err)
		}
	})
}
