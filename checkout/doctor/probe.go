package doctor

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// ProbeType is the type of the event that the doctor sends to Config.URL. It is no type of Stripe's, so that only a Fallback sees it.
const ProbeType = "fulfil.doctor.probe"

// examineSecrets sends deliveries to the webhook: one that must be refused, and one for each secret.
func (x *examination) examineSecrets(ctx context.Context) {
	if len(x.Secrets) == 0 {
		x.skip("whether the webhook answers", "Config.Secrets is empty")
		return
	}
	code, err := x.deliver(ctx, "whsec_"+rand.Text())
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		x.find(WebhookUnreachable, Warning, "The webhook does not answer from here.",
			"If Stripe can't reach it either, orders are settled late, by sweeps.", "Start the shop, and open the URL of the webhook to Stripe: "+x.URL)
		return
	case code >= 200 && code < 300:
		x.find(WebhookAcceptsAll, Error, fmt.Sprintf("The URL of the webhook answered %d to a delivery that no secret signs.", code),
			"Something else answers there, and Stripe takes every event for delivered; or events are not verified.", "Mount the webhook.Handler at this URL: "+x.URL)
		return
	}
	for i, secret := range x.Secrets {
		if !strings.HasPrefix(secret, "whsec_") {
			x.find(SecretShape, Error, fmt.Sprintf("The signing secret %d does not begin with whsec_.", i+1), "It fits no delivery of Stripe's.",
				"Copy the signing secret from the destination's page in the Dashboard.")
			continue
		}
		code, err := x.deliver(ctx, secret)
		if err != nil {
			x.skip(fmt.Sprintf("the signing secret %d", i+1), "the webhook did not answer")
			continue
		}
		if code < 200 || code >= 300 {
			x.reportRefusal(i+1, code)
			return // the others would be refused alike
		}
	}
}

// reportRefusal says what a refusal of a signed delivery means.
func (x *examination) reportRefusal(secret, code int) {
	seen := fmt.Sprintf("The webhook answered %d to a delivery that was signed with secret %d.", code, secret)
	cure := "Look at the log of the shop."
	switch {
	case code >= 300 && code < 400:
		cure = "Give Stripe the URL that is redirected to, because Stripe follows no redirects."
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		cure = "Mount the handler outside of what asks for a password or checks the origin."
	case code == http.StatusNotFound, code == http.StatusMethodNotAllowed:
		cure = "Mount the handler at this URL, for POST: " + x.URL
	case code == http.StatusBadRequest:
		cure = "Give the running shop this secret, or the doctor that of the shop; if they are the same, mount the handler outside of what changes bodies, and set the clocks."
	case code == http.StatusRequestEntityTooLarge:
		cure = "Let the proxy pass bodies of up to 256 KiB."
	}
	x.find(WebhookRefuses, Error, seen, "Stripe's deliveries fare alike, and orders are settled late, by sweeps.", cure)
}

// deliver sends a signed event as Stripe does, and returns the status of the answer (https://docs.stripe.com/webhooks#verify-manually).
func (x *examination) deliver(ctx context.Context, secret string) (code int, err error) {
	now := x.Clock().Unix()
	payload, err := json.Marshal(map[string]any{
		"id": "evt_fulfil_doctor_" + rand.Text(), "object": "event", "type": ProbeType, "api_version": stripe.APIVersion, "created": now,
		"livemode": x.report.Mode == "live", "data": map[string]any{"object": map[string]any{"object": "probe"}},
	})
	if err != nil {
		return 0, err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", now, payload)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.URL, bytes.NewReader(payload))
	if err != nil {
		return 0, err
	}
	r.Close = true // a connection that was kept may be closed by now
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", now, hex.EncodeToString(mac.Sum(nil))))
	answer, err := x.HTTP.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, nil
}
