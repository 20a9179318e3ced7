package checkoutotel_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gofulfil/fulfil/checkout/checkoutotel"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// point is one series of a metric: its value, or how many values a histogram has.
type point struct {
	attribute.Set
	value float64
}

// collect reads all metrics, by name.
func collect(t *testing.T, reader *metric.ManualReader) map[string][]point {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	points := map[string][]point{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					points[m.Name] = append(points[m.Name], point{p.Attributes, float64(p.Count)})
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					points[m.Name] = append(points[m.Name], point{p.Attributes, float64(p.Sum)})
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					points[m.Name] = append(points[m.Name], point{p.Attributes, float64(p.Value)})
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					points[m.Name] = append(points[m.Name], point{p.Attributes, p.Value})
				}
			default:
				t.Fatalf("%s is a %T", m.Name, data)
			}
		}
	}
	return points
}

func (p point) String() string {
	return fmt.Sprint(p.Encoded(attribute.DefaultEncoder()), " ", p.value)
}

func TestMetricsOfAnOrder(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	s := newShop(t, reader)
	started, err := s.begin(t.Context(), "order-1", 1)
	require.NoError(t, err)
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.CardOK))
	_, err = s.begin(t.Context(), "order-2", 2)
	require.NoError(t, err)
	points := collect(t, reader)
	texts := func(name string) (all []string) {
		for _, p := range points[name] {
			all = append(all, p.String())
		}
		slices.Sort(all)
		return all
	}
	require.Equal(t, []string{
		"fulfil.callback=fulfil,fulfil.operation=deliver,fulfil.outcome=ok 1",
		"fulfil.operation=batch,fulfil.outcome=ok 5",
		"fulfil.operation=begin,fulfil.outcome=ok 2",
		"fulfil.operation=hold,fulfil.outcome=ok 2",
		"fulfil.operation=settle,fulfil.outcome=ok 1",
	}, texts("fulfil.operation.duration"))
	require.Equal(t, []string{
		"http.request.method=POST,http.response.status_code=200,server.address=stripe.test,server.port=443,url.template=/v1/checkout/sessions 2",
	}, texts("http.client.request.duration"))
	require.Equal(t, []string{
		"fulfil.event.type=_OTHER,fulfil.outcome=unhandled,http.response.status_code=200 2",
		"fulfil.event.type=checkout.session.completed,fulfil.outcome=ok,http.response.status_code=200 1",
		"fulfil.event.type=payment_intent.succeeded,fulfil.outcome=ok,http.response.status_code=200 1",
	}, texts("fulfil.webhook.duration"))
	require.Equal(t, []string{"fulfil.batch=hold 2", "fulfil.batch=record 3"}, texts("fulfil.batch.size"))
	require.Equal(t, []string{"fulfil.batch=hold 2", "fulfil.batch=record 3"}, texts("fulfil.batch.wait"))
	require.Equal(t, []string{" 2"}, texts("fulfil.stock.held"))
	require.Equal(t, []string{" 0"}, texts("fulfil.orders.stuck"))
	require.Empty(t, texts("fulfil.sweep.age"), "no sweep yet")
}

// The gauges follow the shop: an order becomes stuck, the sweep gets late, and an order waits for it.
func TestHealthGauges(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	s := newShop(t, reader)
	gauge := func(name string) float64 {
		points := collect(t, reader)[name]
		require.Len(t, points, 1, name)
		return points[0].value
	}
	_, err := s.flow.Sweep(t.Context())
	require.NoError(t, err)
	require.Zero(t, gauge("fulfil.sweep.age"))
	s.onFulfil(func() error { return errPersonal })
	started, err := s.begin(t.Context(), "order-1", 1)
	require.NoError(t, err)
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.CardOK))
	o, err := s.flow.Order(t.Context(), "order-1")
	require.NoError(t, err)
	s.srv.Deliver(nil)
	s.srv.Advance(o.DueAt.Sub(s.flow.Now()) + 90e9)
	require.InDelta(t, 90, gauge("fulfil.orders.lateness"), 1)
	require.Equal(t, 1.0, gauge("fulfil.orders.due"))
	require.GreaterOrEqual(t, gauge("fulfil.sweep.age"), 90.0)
	require.Zero(t, gauge("fulfil.account.wrong"))
	for range 30 {
		s.srv.Advance(3600e9)
		_, err := s.flow.Sweep(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, 1.0, gauge("fulfil.orders.stuck"))
	require.NoError(t, s.st.SetCursor(t.Context(), "failed_events", `[{"id":"evt_1","type":"refund.failed"}]`))
	require.Equal(t, 1.0, gauge("fulfil.events.failed"))
}

// Metrics have few series: none of their attributes is an ID, and none holds personal data.
func TestMetricsHoldNoIDs(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	s := newShop(t, reader)
	s.trade()
	var text strings.Builder
	points := collect(t, reader)
	for name, points := range points {
		for _, p := range points {
			fmt.Fprintln(&text, name, p)
		}
	}
	requireNothingPersonal(t, s, text.String())
	for _, id := range []string{"order-", "evt_", "req_", "re_"} {
		require.NotContains(t, text.String(), id)
	}
	require.Less(t, strings.Count(text.String(), "\n"), 60, text.String())
	before := len(points["fulfil.webhook.duration"])
	for i := range 5 { // events that nobody handles, as other systems on the account cause
		require.NoError(t, s.hook.Dispatch(t.Context(), fmt.Appendf(nil, `{"id": "evt_%d", "object": "event", "type": "made.up.%d", "created": 1, "data": {"object": {"id": "x", "object": "y"}}}`, i, i)))
	}
	require.Len(t, collect(t, reader)["fulfil.webhook.duration"], before)
}

// The text of an error never becomes an attribute.
func TestErrorsBecomeWords(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errPersonal, fmt.Errorf("wrapped: %w", errPersonal), errors.Join(errPersonal, errPersonal)} {
		outcome, class := checkoutotel.Classify(err)
		require.Equal(t, "failed _OTHER", outcome+" "+class)
	}
}
