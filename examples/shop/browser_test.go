package main

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// browser is a visitor without JavaScript: it follows links and redirects and submits the forms that it finds.
type browser struct {
	t      *testing.T
	client *http.Client

	url    *url.URL // of the page shown
	status int
	body   string
}

// visit opens a browser on an address.
func visit(t *testing.T, address string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	b := &browser{t: t, client: &http.Client{Jar: jar, Transport: transport}}
	b.open(address)
	return b
}

// open goes to an address, relative to the page shown.
func (b *browser) open(ref string) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.resolve(ref), nil)
	require.NoError(b.t, err)
	b.do(request)
}

func (b *browser) resolve(ref string) string {
	b.t.Helper()
	u, err := url.Parse(ref)
	require.NoError(b.t, err)
	if b.url != nil {
		u = b.url.ResolveReference(u)
	}
	return u.String()
}

func (b *browser) do(request *http.Request) {
	b.t.Helper()
	response, err := b.client.Do(request)
	require.NoError(b.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	b.url, b.status, b.body = response.Request.URL, response.StatusCode, string(body)
}

var (
	linkTag   = regexp.MustCompile(`(?s)<a\b([^>]*)>(.*?)</a>`)
	formTag   = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`<input\b([^>]*)>`)
	areaTag   = regexp.MustCompile(`(?s)<textarea\b([^>]*)>(.*?)</textarea>`)
	selectTag = regexp.MustCompile(`(?s)<select\b([^>]*)>\s*<option[^>]*>(.*?)</option>`) // its first option
	buttonTag = regexp.MustCompile(`(?s)<button\b([^>]*)>(.*?)</button>`)
	anyTag    = regexp.MustCompile(`<[^>]*>`)
	attribute = regexp.MustCompile(`([a-z-]+)(?:="([^"]*)")?`)
)

// follow clicks the link with this text.
func (b *browser) follow(text string) {
	b.t.Helper()
	for _, tag := range linkTag.FindAllStringSubmatch(b.body, -1) {
		if plain(tag[2]) == text {
			b.open(attributes(tag[1])["href"])
			return
		}
	}
	require.Failf(b.t, "no such link", "%q on %s: %s", text, b.url, plain(b.body))
}

// press presses the button with this text, with some fields of its form filled in.
func (b *browser) press(text string, fill ...string) {
	b.t.Helper()
	fields, action := b.form(text)
	for i := 0; i+1 < len(fill); i += 2 {
		require.Contains(b.t, fields, fill[i], "the form has no such field")
		fields.Set(fill[i], fill[i+1])
	}
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.resolve(action), strings.NewReader(fields.Encode()))
	require.NoError(b.t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", b.url.Scheme+"://"+b.url.Host)
	b.do(request)
}

// form returns the fields and the target of the form with a button of this text.
func (b *browser) form(text string) (url.Values, string) {
	b.t.Helper()
	for _, form := range formTag.FindAllStringSubmatch(b.body, -1) {
		for _, button := range buttonTag.FindAllStringSubmatch(form[2], -1) {
			if plain(button[2]) != text {
				continue
			}
			require.Equal(b.t, "post", attributes(form[1])["method"])
			action := attributes(form[1])["action"]
			if other := attributes(button[1])["formaction"]; other != "" {
				action = other
			}
			return fieldsOf(form[2]), action
		}
	}
	require.Failf(b.t, "no such button", "%q on %s: %s", text, b.url, plain(b.body))
	return nil, ""
}

func fieldsOf(form string) url.Values {
	fields := url.Values{}
	for _, tag := range inputTag.FindAllStringSubmatch(form, -1) {
		input := attributes(tag[1])
		if _, checked := input["checked"]; input["type"] != "radio" || checked {
			fields.Set(input["name"], input["value"])
		}
	}
	for _, pattern := range []*regexp.Regexp{areaTag, selectTag} {
		for _, tag := range pattern.FindAllStringSubmatch(form, -1) {
			fields.Set(attributes(tag[1])["name"], html.UnescapeString(tag[2]))
		}
	}
	return fields
}

// element is the element whose tag contains marker, up to the first end tag of its name.
func (b *browser) element(marker string) string {
	b.t.Helper()
	at := strings.Index(b.body, marker)
	require.GreaterOrEqual(b.t, at, 0, "no %s on %s: %s", marker, b.url, plain(b.body))
	start := strings.LastIndex(b.body[:at], "<")
	name := regexp.MustCompile(`^<[a-z]+`).FindString(b.body[start:])
	end := strings.Index(b.body[start:], "</"+name[1:]+">")
	require.Positive(b.t, end)
	return b.body[start : start+end]
}

func attributes(tag string) map[string]string {
	found := map[string]string{}
	for _, a := range attribute.FindAllStringSubmatch(tag, -1) {
		found[a[1]] = html.UnescapeString(a[2])
	}
	return found
}

// plain is the text of a piece of a page, as it is read.
func plain(markup string) string {
	return strings.Join(strings.Fields(html.UnescapeString(anyTag.ReplaceAllString(markup, ""))), " ")
}
