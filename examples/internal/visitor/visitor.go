// Package visitor simulates a visitor without JavaScript, for the tests of the examples. The visitor follows links and
// redirects, and submits forms.
package visitor

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Visitor is one visitor with cookies of its own.
type Visitor struct {
	t testing.TB
	// Client makes the requests; its jar holds the cookies.
	Client *http.Client

	// URL, Status and Body belong to the page that the visitor sees.
	URL    *url.URL
	Status int
	Body   string
}

// New sends a visitor to an address.
func New(t testing.TB, address string) *Visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	v := &Visitor{t: t, Client: &http.Client{Jar: jar, Transport: transport}}
	v.Open(address)
	return v
}

// Tab returns another tab of the same browser, on the same page.
func (v *Visitor) Tab() *Visitor {
	tab := *v
	return &tab
}

// Open goes to an address, relative to the present page.
func (v *Visitor) Open(ref string) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.resolve(ref), nil)
	if err != nil {
		v.t.Fatal(err)
	}
	v.Do(request)
}

func (v *Visitor) resolve(ref string) string {
	v.t.Helper()
	u, err := url.Parse(ref)
	if err != nil {
		v.t.Fatal(err)
	}
	if v.URL != nil {
		u = v.URL.ResolveReference(u)
	}
	return u.String()
}

// Do sends a request and shows the answer as the present page.
func (v *Visitor) Do(request *http.Request) {
	v.t.Helper()
	response, err := v.Client.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	v.URL, v.Status, v.Body = response.Request.URL, response.StatusCode, string(body)
}

var (
	linkTag   = regexp.MustCompile(`(?s)<a\b([^>]*)>(.*?)</a>`)
	formTag   = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`<input\b([^>]*)>`)
	areaTag   = regexp.MustCompile(`(?s)<textarea\b([^>]*)>(.*?)</textarea>`)
	selectTag = regexp.MustCompile(`(?s)<select\b([^>]*)>(.*?)</select>`)
	optionTag = regexp.MustCompile(`(?s)<option\b([^>]*)>(.*?)</option>`)
	buttonTag = regexp.MustCompile(`(?s)<button\b([^>]*)>(.*?)</button>`)
	anyTag    = regexp.MustCompile(`<[^>]*>`)
	tagName   = regexp.MustCompile(`^<[a-z]+`)
	attribute = regexp.MustCompile(`([a-z-]+)(?:="([^"]*)")?`)
)

// Follow clicks the link with a text.
func (v *Visitor) Follow(text string) {
	v.t.Helper()
	for _, tag := range linkTag.FindAllStringSubmatch(v.Body, -1) {
		if Text(tag[2]) == text {
			v.Open(attributes(tag[1])["href"])
			return
		}
	}
	v.t.Fatalf("no link %q on %s: %s", text, v.URL, Text(v.Body))
}

// Press presses the button with a text, in the form of the first element whose tag contains within. An empty within stands for
// the whole page. fill are names and values of fields.
func (v *Visitor) Press(within, text string, fill ...string) {
	v.t.Helper()
	fields, action := v.form(within, text)
	for i := 0; i+1 < len(fill); i += 2 {
		if !fields.Has(fill[i]) {
			v.t.Fatalf("the form has no field %q", fill[i])
		}
		fields.Set(fill[i], fill[i+1])
	}
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.resolve(action), strings.NewReader(fields.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", v.URL.Scheme+"://"+v.URL.Host)
	v.Do(request)
}

// form returns the fields and the target of the form that has a button with a text.
func (v *Visitor) form(within, text string) (url.Values, string) {
	v.t.Helper()
	for _, form := range formTag.FindAllStringSubmatch(v.Element(within), -1) {
		for _, button := range buttonTag.FindAllStringSubmatch(form[2], -1) {
			if Text(button[2]) != text {
				continue
			}
			tag, pressed := attributes(form[1]), attributes(button[1])
			if tag["method"] != "post" {
				v.t.Fatalf("the form of %q is not posted", text)
			}
			fields := fieldsOf(form[2])
			if pressed["name"] != "" {
				fields.Set(pressed["name"], pressed["value"])
			}
			if pressed["formaction"] != "" {
				return fields, pressed["formaction"]
			}
			return fields, tag["action"]
		}
	}
	v.t.Fatalf("no button %q on %s: %s", text, v.URL, Text(v.Body))
	return nil, ""
}

func fieldsOf(form string) url.Values {
	fields := url.Values{}
	for _, tag := range inputTag.FindAllStringSubmatch(form, -1) {
		input := attributes(tag[1])
		if _, checked := input["checked"]; input["type"] != "radio" && input["type"] != "checkbox" || checked {
			fields.Set(input["name"], input["value"])
		}
	}
	for _, tag := range areaTag.FindAllStringSubmatch(form, -1) {
		fields.Set(attributes(tag[1])["name"], html.UnescapeString(tag[2]))
	}
	for _, tag := range selectTag.FindAllStringSubmatch(form, -1) {
		fields.Set(attributes(tag[1])["name"], chosen(tag[2]))
	}
	return fields
}

// chosen returns the value of the option that is selected, or else of the first.
func chosen(options string) string {
	value := ""
	for i, tag := range optionTag.FindAllStringSubmatch(options, -1) {
		option := attributes(tag[1])
		_, selected := option["selected"]
		if i > 0 && !selected {
			continue
		}
		var has bool
		if value, has = option["value"]; !has {
			value = html.UnescapeString(tag[2])
		}
	}
	return value
}

// Element returns the element whose tag contains marker, up to the first end tag of its name. An empty marker stands for the
// whole page.
func (v *Visitor) Element(marker string) string {
	v.t.Helper()
	if marker == "" {
		return v.Body
	}
	at := strings.Index(v.Body, marker)
	if at < 0 {
		v.t.Fatalf("no %s on %s: %s", marker, v.URL, Text(v.Body))
	}
	start := strings.LastIndex(v.Body[:at], "<")
	name := tagName.FindString(v.Body[start:])
	end := strings.Index(v.Body[start:], "</"+name[1:]+">")
	if end <= 0 {
		v.t.Fatalf("%s on %s has no end", marker, v.URL)
	}
	return v.Body[start : start+end]
}

func attributes(tag string) map[string]string {
	found := map[string]string{}
	for _, a := range attribute.FindAllStringSubmatch(tag, -1) {
		found[a[1]] = html.UnescapeString(a[2])
	}
	return found
}

// Text returns the text of a piece of a page, as a person reads it.
func Text(markup string) string {
	return strings.Join(strings.Fields(html.UnescapeString(anyTag.ReplaceAllString(markup, ""))), " ")
}
