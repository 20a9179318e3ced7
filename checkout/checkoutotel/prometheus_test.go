package checkoutotel_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
)

// scrape is what Prometheus gets of a shop that has done everything, over HTTP: the labels of each series, by its name.
func scrape(t *testing.T) (labels map[string]map[string]bool, text string) {
	t.Helper()
	registry := prometheus.NewRegistry()
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	require.NoError(t, err)
	newShop(t, reader).trade()
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer server.Close()
	response, err := http.Get(server.URL)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", body)
	labels = map[string]map[string]bool{}
	for line := range strings.Lines(string(body)) {
		m := series.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if labels[m[1]] == nil {
			labels[m[1]] = map[string]bool{}
		}
		for _, label := range label.FindAllStringSubmatch(m[2], -1) {
			labels[m[1]][label[1]] = true
		}
	}
	return labels, string(body)
}

var (
	series = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? [0-9]`)
	label  = regexp.MustCompile(`([a-z_]+)="`)
)

func TestPrometheus(t *testing.T) {
	t.Parallel()
	labels, text := scrape(t)
	for name, label := range map[string]string{
		"fulfil_operation_duration_seconds_bucket":   "fulfil_operation",
		"fulfil_operation_duration_seconds_count":    "error_type",
		"http_client_request_duration_seconds_count": "url_template",
		"fulfil_webhook_duration_seconds_count":      "fulfil_event_type",
		"fulfil_batch_size_bucket":                   "fulfil_batch",
		"fulfil_sweep_orders_total":                  "fulfil_outcome",
		"fulfil_orders_stuck":                        "",
		"fulfil_orders_lateness_seconds":             "",
		"fulfil_sweep_age_seconds":                   "",
		"fulfil_stock_held":                          "",
		"fulfil_events_failed":                       "",
		"fulfil_account_wrong":                       "",
	} {
		require.Contains(t, labels, name, text)
		require.True(t, label == "" || labels[name][label], "%s has no label %s: %v", name, label, labels[name])
	}
	require.NotContains(t, text, "order-")
	require.NotContains(t, text, "@example.com")
}
