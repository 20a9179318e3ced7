package checkoutotel_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// query is an expression of a dashboard or of an alert rule, with the texts beside it that name labels.
type query struct{ name, expr, text string }

// panels reads the expressions of the dashboard.
func panels(t *testing.T) (all []query) {
	t.Helper()
	text, err := os.ReadFile("dashboards/grafana.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	for _, p := range dashboard.Panels {
		require.Equal(t, p.Type == "row", len(p.Targets) == 0, p.Title)
		for _, target := range p.Targets {
			all = append(all, query{p.Title, target.Expr, target.LegendFormat})
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Type == "query" {
			all = append(all, query{"variable " + v.Name, strings.TrimSuffix(strings.TrimPrefix(v.Definition, "label_values("), ", "+v.Name+")"), ""})
		}
	}
	require.Greater(t, len(all), 20)
	return all
}

// alerts reads the expressions of the alert rules.
func alerts(t *testing.T) (all []query) {
	t.Helper()
	text, err := os.ReadFile("dashboards/alerts.yml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			require.Contains(t, []string{"page", "ticket"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotEmpty(t, r.Annotations["action"], r.Alert)
			all = append(all, query{r.Alert, r.Expr, r.Annotations["summary"]})
		}
	}
	require.Greater(t, len(all), 10)
	return all
}

var (
	matchers  = regexp.MustCompile(`([a-z_]+)\{([^}]*)\}`)
	grouping  = regexp.MustCompile(`\b(?:by|without) \(([^)]*)\)`)
	matcher   = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	textLabel = regexp.MustCompile(`\{\{ *(?:\$labels\.)?([a-z_]+) *\}\}`)
	word      = regexp.MustCompile(`\b[a-z]+_[a-z_]+\b`)
	functions = []string{"histogram_quantile", "__rate_interval"}
	// scraped are the labels that Prometheus adds.
	scraped = []string{"job", "instance", "le"}
)

// names returns the metrics of an expression, with the labels by which each is selected, and the labels of the result.
func (q query) names() (metrics map[string][]string, result []string) {
	metrics = map[string][]string{}
	for _, m := range matchers.FindAllStringSubmatch(q.expr, -1) {
		for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
			metrics[m[1]] = append(metrics[m[1]], label[1])
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(q.expr, -1) {
		result = append(result, strings.Split(strings.ReplaceAll(m[1], " ", ""), ",")...)
	}
	for _, m := range textLabel.FindAllStringSubmatch(q.text, -1) {
		result = append(result, m[1])
	}
	rest := grouping.ReplaceAllString(matchers.ReplaceAllString(q.expr, "$1"), "")
	for _, name := range word.FindAllString(rest, -1) {
		if !slices.Contains(functions, name) && !strings.Contains(rest, "$"+name) {
			metrics[name] = append(metrics[name], scraped[0])
		}
	}
	return metrics, result
}

// missing names what an expression asks for that a scrape does not have.
func (q query) missing(labels map[string]map[string]bool) (missing []string) {
	metrics, result := q.names()
	if len(metrics) == 0 {
		missing = append(missing, "no metric")
	}
	of := map[string]bool{}
	for name, wanted := range metrics {
		if labels[name] == nil {
			missing = append(missing, "metric "+name)
			continue
		}
		for label := range labels[name] {
			of[label] = true
		}
		for _, label := range wanted {
			if !labels[name][label] && !slices.Contains(scraped, label) {
				missing = append(missing, name+"{"+label+"}")
			}
		}
	}
	for _, label := range result {
		if !of[label] && !slices.Contains(scraped, label) {
			missing = append(missing, "label "+label)
		}
	}
	return missing
}

// Each metric and label of the dashboard and of the alert rules is in a scrape.
func TestDashboardsAskForWhatThereIs(t *testing.T) {
	t.Parallel()
	labels, _ := scrape(t)
	used := map[string]bool{}
	for _, q := range slices.Concat(panels(t), alerts(t)) {
		require.Empty(t, q.missing(labels), "%s: %s", q.name, q.expr)
		metrics, _ := q.names()
		for name := range metrics {
			used[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")] = true
		}
	}
	for name := range labels {
		if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); strings.HasPrefix(base, "fulfil_") {
			require.True(t, used[base], "nothing shows %s", base)
		}
	}
}

// The check finds what is misspelt.
func TestDashboardsThatAskForNothing(t *testing.T) {
	t.Parallel()
	labels := map[string]map[string]bool{"fulfil_a_count": {"fulfil_outcome": true}}
	for _, c := range []struct {
		query
		want string
	}{
		{query{"", `sum by (fulfil_outcome) (rate(fulfil_a_count{fulfil_outcome="ok"}[5m]))`, "{{fulfil_outcome}}"}, ""},
		{query{"", `max(fulfil_b_count{job="x"})`, ""}, "metric fulfil_b_count"},
		{query{"", `fulfil_b > 0`, ""}, "metric fulfil_b"},
		{query{"", `fulfil_a_count{fulfil_outcom="ok"}`, ""}, "fulfil_a_count{fulfil_outcom}"},
		{query{"", `sum by (error_type) (fulfil_a_count)`, ""}, "label error_type"},
		{query{"", `fulfil_a_count`, "{{ $labels.error_type }}"}, "label error_type"},
		{query{"", `vector(1)`, ""}, "no metric"},
	} {
		require.Equal(t, c.want, strings.Join(c.query.missing(labels), ", "), c.expr)
	}
}

// promtool is Prometheus's own tool. Where FULFIL_CROSSCHECK is set it must be there.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil && os.Getenv("FULFIL_CROSSCHECK") == "" {
		t.Skip("promtool is not installed")
	}
	require.NoError(t, err)
	out, err := exec.Command(path, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Prometheus reads every expression.
func TestPrometheusReadsTheExpressions(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", "dashboards/alerts.yml")
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, q := range panels(t) {
		fmt.Fprintf(&rules, "      - record: panel_%d\n        expr: %q\n", i, strings.NewReplacer("$__rate_interval", "5m", "$job", ".*").Replace(q.expr))
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	require.NoError(t, os.WriteFile(file, []byte(rules.String()), 0o600))
	promtool(t, "check", "rules", file)
}

// Each alert fires when it must, and none of a healthy shop does.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	tests, err := os.ReadFile("testdata/alerts_test.yml")
	require.NoError(t, err)
	for _, q := range alerts(t) {
		require.Contains(t, string(tests), `alertname="`+q.name+`"`, "no test has it fire")
	}
	promtool(t, "test", "rules", "testdata/alerts_test.yml")
}
