package main

import (
	"bufio"
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const testKey = "sk_test_standalone"

// A running is the program as main starts it, and a person at its control page. The person's browser has no JavaScript.
type running struct {
	api, secret, control string
	address              string // of the API
	token                string // of the control API; empty: none
	stop                 context.CancelFunc
	stopped              chan error // the result of run

	status int
	body   string // of the page in the browser
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &running{stop: stop, stopped: make(chan error, 1)}
	out, in := io.Pipe()
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0", "-control", "127.0.0.1:0", "-key", testKey}, args...), in)
		_ = in.CloseWithError(io.EOF)
		p.stopped <- err
	}()
	said := make(chan map[string]string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		found, lines := map[string]string{}, bufio.NewScanner(out)
		for lines.Scan() {
			if name, value, ok := strings.Cut(lines.Text(), "  "); ok {
				found[name] = strings.TrimSpace(value)
			}
			if strings.HasPrefix(lines.Text(), "Ctrl-C") {
				said <- found
			}
		}
		close(said)
	}()
	t.Cleanup(func() {
		stop()
		<-drained
	})
	found, ok := <-said
	if !ok {
		require.Failf(t, "the program ended by itself", "%v", <-p.stopped)
	}
	require.Contains(t, found["Secret key"], testKey)
	p.address = found["Listens on"]
	p.api, p.secret, p.control = found["API base"], found["Webhook secret"], found["Control page"]
	require.NotEmpty(t, p.control, "the program did not say where its control page is")
	return p
}

// create makes a session, as an app in any language would. It returns the ID and the URL of the payment page.
func (p *running) create(t *testing.T) (id, pay string) {
	t.Helper()
	form := url.Values{
		"mode": {"payment"}, "success_url": {"http://127.0.0.1/thanks"}, "client_reference_id": {"order-42"},
		"payment_method_types[0]": {"card"}, "payment_method_types[1]": {"us_bank_account"},
		"line_items[0][quantity]": {"1"}, "line_items[0][price_data][currency]": {"usd"},
		"line_items[0][price_data][unit_amount]": {"1999"}, "line_items[0][price_data][product_data][name]": {"T-shirt"},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.api+"/v1/checkout/sessions", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.SetBasicAuth(testKey, "")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var session struct{ ID, URL string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&session))
	require.Equal(t, http.StatusOK, response.StatusCode)
	return session.ID, session.URL
}

func (p *running) do(t *testing.T, request *http.Request) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	p.status, p.body = response.StatusCode, string(body)
}

// open shows the control page.
func (p *running) open(t *testing.T) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.control, nil)
	require.NoError(t, err)
	p.do(t, request)
	require.Equal(t, http.StatusOK, p.status)
}

var (
	formTag   = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	fieldTag  = regexp.MustCompile(`<(?:input|select)\b([^>]*)>`)
	buttonTag = regexp.MustCompile(`(?s)<button\b([^>]*)>(.*?)</button>`)
	anyTag    = regexp.MustCompile(`<[^>]*>`)
	attribute = regexp.MustCompile(`([a-z-]+)="([^"]*)"`)
)

// press fills in a form and presses its button: the first button with a text within the element with an id. An empty id
// stands for the whole page.
func (p *running) press(t *testing.T, id, text string, fill ...string) {
	t.Helper()
	for _, form := range formTag.FindAllStringSubmatch(p.element(t, id), -1) {
		for _, button := range buttonTag.FindAllStringSubmatch(form[2], -1) {
			if plain(button[2]) != text {
				continue
			}
			fields, action := url.Values{}, attributes(form[1])["action"]
			for _, tag := range fieldTag.FindAllStringSubmatch(form[2], -1) {
				field := attributes(tag[1])
				fields.Set(field["name"], field["value"])
			}
			for i := 0; i+1 < len(fill); i += 2 {
				require.Contains(t, fields, fill[i], "the form has no such field")
				fields.Set(fill[i], fill[i+1])
			}
			if other := attributes(button[1])["formaction"]; other != "" {
				action = other
			}
			p.post(t, action, fields, p.control)
			return
		}
	}
	require.Failf(t, "no such button", "%q in %q: %s", text, id, plain(p.body))
}

// post sends a form, as a page of the origin would.
func (p *running) post(t *testing.T, action string, fields url.Values, origin string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.TrimSuffix(p.control, "/")+action, strings.NewReader(fields.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", strings.TrimSuffix(origin, "/"))
	p.do(t, request)
}

// element returns the article or list item with an id. An empty id stands for the whole page.
func (p *running) element(t *testing.T, id string) string {
	t.Helper()
	if id == "" {
		return p.body
	}
	tag := regexp.MustCompile(`(?s)<(article|li) id="` + regexp.QuoteMeta(id) + `".*?</(article|li)>`).FindString(p.body)
	require.NotEmpty(t, tag, "no %s on the page: %s", id, plain(p.body))
	return tag
}

func attributes(tag string) map[string]string {
	found := map[string]string{}
	for _, a := range attribute.FindAllStringSubmatch(tag, -1) {
		found[a[1]] = html.UnescapeString(a[2])
	}
	return found
}

// plain returns the text of a piece of a page, as a person reads it.
func plain(markup string) string {
	return strings.Join(strings.Fields(html.UnescapeString(anyTag.ReplaceAllString(markup, ""))), " ")
}
