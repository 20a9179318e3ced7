package webhook

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

const testSecret = "whsec_test"

// testNow is the time of newTestHandler's clock.
var testNow = time.Unix(1_700_000_000, 0)

// newTestHandler returns a Handler with defaults for the fields that cfg leaves empty.
func newTestHandler(t testing.TB, cfg Config) *Handler {
	t.Helper()
	if cfg.Secrets == nil {
		cfg.Secrets = []string{testSecret}
	}
	if cfg.Clock == nil {
		cfg.Clock = func() time.Time { return testNow }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := New(cfg)
	require.NoError(t, err)
	return h
}

// serve answers a delivery of payload, signed now.
func serve(h *Handler, payload []byte) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, webhooktest.NewRequest("/", payload, testSecret, testNow))
	return w
}

// results collects the results that Config.Observe gets.
type results struct {
	mu  sync.Mutex
	all []Result
}

func (r *results) observe(ctx context.Context) (context.Context, func(Result)) {
	return ctx, func(res Result) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all = append(r.all, res)
	}
}

// only returns the one result there is.
func (r *results) only(t *testing.T) Result {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Len(t, r.all, 1)
	return r.all[0]
}

// logs is a slog.Handler that keeps records as text.
type logs struct {
	mu      sync.Mutex
	records []string
}

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }
func (l *logs) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logs) WithGroup(string) slog.Handler            { return l }

func (l *logs) Handle(_ context.Context, r slog.Record) error {
	text := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, text)
	return nil
}

// completedPayload is a checkout.session.completed event of the size and shape Stripe sends: indented, all keys there,
// most of them null. Every value in it is made up.
const completedPayload = `{
  "id": "evt_1QexampleCompleted000001",
  "object": "event",
  "api_version": "2025-08-27.basil",
  "created": 1700000000,
  "data": {
    "object": {
      "id": "cs_test_a1ExampleSession00000000000000000000000000000000000001",
      "object": "checkout.session",
      "adaptive_pricing": {
        "enabled": true
      },
      "after_expiration": null,
      "allow_promotion_codes": false,
      "amount_subtotal": 3998,
      "amount_total": 4498,
      "automatic_tax": {
        "enabled": false,
        "liability": null,
        "provider": null,
        "status": null
      },
      "billing_address_collection": "auto",
      "cancel_url": "https://shop.example/cart",
      "client_reference_id": "order-42",
      "client_secret": null,
      "collected_information": {
        "business_name": null,
        "individual_name": null,
        "shipping_details": {
          "address": {
            "city": "Berlin",
            "country": "DE",
            "line1": "Musterstra\u00dfe 1",
            "line2": null,
            "postal_code": "10115",
            "state": null
          },
          "name": "Jenny Example"
        }
      },
      "consent": null,
      "consent_collection": null,
      "created": 1699999000,
      "currency": "eur",
      "currency_conversion": null,
      "custom_fields": [
        {
          "key": "engraving",
          "label": {
            "custom": "Engraving",
            "type": "custom"
          },
          "optional": true,
          "text": {
            "default_value": null,
            "maximum_length": 40,
            "minimum_length": null,
            "value": "For \"J\""
          },
          "type": "text"
        }
      ],
      "custom_text": {
        "after_submit": null,
        "shipping_address": null,
        "submit": null,
        "terms_of_service_acceptance": null
      },
      "customer": "cus_Example000001",
      "customer_creation": "always",
      "customer_details": {
        "address": {
          "city": "Berlin",
          "country": "DE",
          "line1": "Musterstra\u00dfe 1",
          "line2": null,
          "postal_code": "10115",
          "state": null
        },
        "business_name": null,
        "email": "jenny@shop.example",
        "individual_name": null,
        "name": "Jenny Example",
        "phone": null,
        "tax_exempt": "none",
        "tax_ids": []
      },
      "customer_email": null,
      "discounts": [],
      "expires_at": 1700085400,
      "invoice": null,
      "invoice_creation": {
        "enabled": false,
        "invoice_data": {
          "account_tax_ids": null,
          "custom_fields": null,
          "description": null,
          "footer": null,
          "issuer": null,
          "metadata": {},
          "rendering_options": null
        }
      },
      "livemode": false,
      "locale": null,
      "metadata": {
        "fulfil_order": "order-42",
        "fulfil_shop": "shop-1"
      },
      "mode": "payment",
      "origin_context": null,
      "payment_intent": "pi_Example0000000000000001",
      "payment_link": null,
      "payment_method_collection": "if_required",
      "payment_method_configuration_details": {
        "id": "pmc_Example00000000000001",
        "parent": null
      },
      "payment_method_options": {
        "card": {
          "request_three_d_secure": "automatic"
        }
      },
      "payment_method_types": [
        "card",
        "link",
        "sepa_debit"
      ],
      "payment_status": "paid",
      "permissions": null,
      "phone_number_collection": {
        "enabled": false
      },
      "recovered_from": null,
      "saved_payment_method_options": {
        "allow_redisplay_filters": [
          "always"
        ],
        "payment_method_remove": "disabled",
        "payment_method_save": null
      },
      "setup_intent": null,
      "shipping_address_collection": {
        "allowed_countries": [
          "DE",
          "AT",
          "CH"
        ]
      },
      "shipping_cost": {
        "amount_subtotal": 500,
        "amount_tax": 0,
        "amount_total": 500,
        "shipping_rate": "shr_Example00000000000001"
      },
      "shipping_options": [
        {
          "shipping_amount": 500,
          "shipping_rate": "shr_Example00000000000001"
        }
      ],
      "status": "complete",
      "submit_type": null,
      "subscription": null,
      "success_url": "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
      "total_details": {
        "amount_discount": 0,
        "amount_shipping": 500,
        "amount_tax": 0
      },
      "ui_mode": "hosted",
      "url": null,
      "wallet_options": null
    }
  },
  "livemode": false,
  "pending_webhooks": 2,
  "request": {
    "id": null,
    "idempotency_key": null
  },
  "type": "checkout.session.completed"
}`
