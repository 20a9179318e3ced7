package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/examples/internal/printed"
	"github.com/gofulfil/fulfil/webhook"
)

func TestRoutersExample(t *testing.T) {
	printed.InReadme(t, demo)
}

func TestOrderOfMiddleware(t *testing.T) {
	for _, r := range routers {
		t.Run(r.name, func(t *testing.T) {
			status, err := deliver(r.right)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, "body: ", post(r.right, "sku=tee"), "the middleware must still run for the pages")

			status, err = deliver(r.wrong)
			require.Equal(t, http.StatusInternalServerError, status, "Stripe must try again, as the event is good")
			require.ErrorIs(t, err, webhook.ErrBodyConsumed)
			require.ErrorContains(t, err, "mount it outside of any middleware that reads or parses bodies")
		})
	}
}
