package checkouttest_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A visitor uses the page as a browser without JavaScript does.
type visitor struct {
	t   *testing.T
	srv *checkouttest.Server
}

type visited struct {
	status   int
	location string
	body     string
	header   http.Header
}

func (v visitor) do(method, target string, form url.Values, header ...string) visited {
	v.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = v.srv.URL() + target
	}
	r, err := http.NewRequest(method, target, strings.NewReader(form.Encode()))
	require.NoError(v.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := v.srv.Transport().RoundTrip(r)
	require.NoError(v.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	return visited{resp.StatusCode, resp.Header.Get("Location"), string(body), resp.Header}
}

func (v visitor) get(target string) visited { v.t.Helper(); return v.do("GET", target, nil) }

// submit fills in the page's own form and sends it where it says.
func (v visitor) submit(page visited, set url.Values) visited {
	v.t.Helper()
	action := regexp.MustCompile(`<form[^>]* action="([^"]+)"`).FindStringSubmatch(page.body)
	require.NotNil(v.t, action, page.body)
	form := url.Values{}
	for _, input := range regexp.MustCompile(`<input[^>]*>`).FindAllString(page.body, -1) {
		if !strings.Contains(input, `type="radio"`) || strings.Contains(input, " checked") {
			form.Set(attr(input, "name"), html.UnescapeString(attr(input, "value")))
		}
	}
	for name, value := range set {
		form[name] = value
	}
	return v.do("POST", html.UnescapeString(action[1]), form)
}

func attr(tag, name string) string {
	m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return m[1]
}

func card(number checkouttest.PaymentMethod) url.Values {
	return url.Values{"email": {"ada@example.org"}, "method": {"card"}, "number": {string(number)}, "expiry": {"12 / 34"}, "cvc": {"123"}}
}
