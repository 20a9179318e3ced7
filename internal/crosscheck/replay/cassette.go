package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// host is the only host whose interactions are replayed.
const host = "api.stripe.com"

// versionPattern matches the versions of Stripe's API at the start of a header.
var versionPattern = regexp.MustCompile(`^\d{4}-\d\d-\d\d(\.\w+)?`)

// A cassette is a file of recorded interactions with Stripe, in the order in which they were recorded.
type cassette struct {
	name         string // the path of the file, below the folder that was given
	interactions []interaction
}

// An interaction is a recorded request and the answer of the real Stripe.
type interaction struct {
	method, path string
	query, body  string // the parameters, encoded as they were sent
	contentType  string
	idemKey      string // of the header Idempotency-Key
	account      string // of the header Stripe-Account
	status       int
	answer       map[string]any // nil: the answer is not a JSON object
	version      string         // the API version of the answer; empty: unknown
	at           time.Time      // zero: unknown
}

// day returns the day of the recording, or "" if it is unknown.
func (i interaction) day() string {
	if i.at.IsZero() {
		return ""
	}
	return i.at.UTC().Format(time.DateOnly)
}

// readFolder returns the cassettes of a folder, ordered by name. A file that is no cassette, or has no interaction with Stripe, is left
// out. replace changes the text of a file before it is parsed.
func readFolder(folder string, replace *strings.Replacer) ([]cassette, error) {
	var cassettes []cassette
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".yml", ".yaml", ".json", ".har"}, filepath.Ext(path)) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte(host)) {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		interactions, err := parse(filepath.Ext(path), []byte(replace.Replace(string(text))))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(interactions) > 0 {
			cassettes = append(cassettes, cassette{filepath.ToSlash(name), interactions})
		}
		return nil
	})
	return cassettes, err
}

// parse returns the interactions with Stripe of a file. It knows these forms:
//
//   - Ruby's VCR and Python's betamax: http_interactions, with request.uri and body.string or body.base64_string
//   - Python's vcrpy: interactions, with request.uri and response.body.string, which may be compressed
//   - Go's go-vcr: interactions, with request.url and response.code
//   - Elixir's ExVCR and PHP-VCR: a list, with request.url and response.status_code or response.status.code
//   - HAR, which Polly.JS writes: log.entries, with postData and content
//   - recordings of nock: a list, with scope, path, status and response
func parse(extension string, text []byte) ([]interaction, error) {
	root, err := decode(extension, text)
	if err != nil {
		return nil, err
	}
	list, _ := root.([]any)
	for _, at := range [][]string{{"http_interactions"}, {"interactions"}, {"log", "entries"}} {
		if inner, ok := pick(root, at...).([]any); ok {
			list = inner
		}
	}
	var interactions []interaction
	for _, item := range list {
		if i, ok := readInteraction(item); ok {
			interactions = append(interactions, i)
		}
	}
	return interactions, nil
}

func decode(extension string, text []byte) (root any, err error) {
	if extension == ".json" || extension == ".har" {
		return root, json.Unmarshal(text, &root)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	untag(&document)
	return root, document.Decode(&root)
}

// untag replaces the tags of scalars that Ruby writes for its own types, and those of times, which would not stay as they were written.
func untag(node *yaml.Node) {
	own := strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!")
	switch {
	case node.Tag == "!binary":
		node.Tag = "!!binary"
	case node.Kind == yaml.ScalarNode && (own || node.Tag == "!!timestamp"):
		node.Tag = "!!str"
	}
	for _, inner := range node.Content {
		untag(inner)
	}
}

// readInteraction reads an interaction of any form. It returns false if the request did not go to Stripe's API.
func readInteraction(item any) (interaction, bool) {
	request, response := pick(item, "request"), pick(item, "response")
	address := cmp.Or(text(pick(request, "uri")), text(pick(request, "url")))
	if scope := text(pick(item, "scope")); scope != "" { // of nock
		address = scope + text(pick(item, "path"))
		request = map[string]any{"method": pick(item, "method"), "body": pick(item, "body"), "headers": pick(item, "reqheaders")}
		response = map[string]any{"status": pick(item, "status"), "body": pick(item, "response"), "headers": pick(item, "rawHeaders")}
	}
	to, err := url.Parse(address)
	if err != nil || to.Hostname() != host {
		return interaction{}, false
	}
	i := interaction{
		method: strings.ToUpper(text(pick(request, "method"))),
		path:   to.Path, query: to.RawQuery,
		body:        requestBody(request),
		contentType: header(request, "Content-Type"),
		idemKey:     header(request, "Idempotency-Key"),
		account:     header(request, "Stripe-Account"),
		status:      responseStatus(response),
		version:     cmp.Or(header(response, "Stripe-Version"), header(request, "Stripe-Version")),
		at:          recordedAt(item, response),
	}
	i.version = versionPattern.FindString(i.version) // without the names of previews
	_ = json.Unmarshal(responseBody(response), &i.answer)
	return i, i.method != "" && i.status != 0
}

func requestBody(request any) string {
	if form, ok := pick(request, "post_fields").(map[string]any); ok {
		values := url.Values{}
		for name, value := range form {
			values.Set(name, text(value))
		}
		return values.Encode()
	}
	for _, at := range [][]string{{"body", "string"}, {"postData", "text"}, {"body"}, {"request_body"}} {
		if body := text(pick(request, at...)); body != "" {
			return body
		}
	}
	if encoded := text(pick(request, "body", "base64_string")); encoded != "" {
		body, _ := base64.StdEncoding.DecodeString(encoded)
		return string(body)
	}
	return ""
}

// responseBody returns the body of an answer as JSON.
func responseBody(response any) []byte {
	if answer, ok := pick(response, "body").(map[string]any); ok && answer["object"] != nil { // nock writes the JSON itself
		body, _ := json.Marshal(answer)
		return body
	}
	var body []byte
	for _, at := range [][]string{{"body", "string"}, {"content", "text"}, {"body"}} {
		if found := text(pick(response, at...)); found != "" {
			body = []byte(found)
			break
		}
	}
	encoded := text(pick(response, "body", "base64_string"))
	if encoded == "" && text(pick(response, "content", "encoding")) == "base64" {
		encoded = string(body)
	}
	if encoded != "" {
		body, _ = base64.StdEncoding.DecodeString(encoded)
	}
	if unpacked, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
		body, _ = io.ReadAll(unpacked)
	}
	return body
}

func responseStatus(response any) int {
	for _, at := range [][]string{{"status", "code"}, {"code"}, {"status_code"}, {"status"}} {
		switch status := pick(response, at...).(type) {
		case int:
			return status
		case float64:
			return int(status)
		case string:
			var code int
			if _, err := fmt.Sscan(status, &code); err == nil {
				return code
			}
		}
	}
	return 0
}

// recordedAt returns the time of Stripe's answer, or else the time that the recorder wrote down.
func recordedAt(item, response any) time.Time {
	for _, written := range []string{header(response, "Date"), text(pick(item, "recorded_at")), text(pick(item, "startedDateTime"))} {
		for _, layout := range []string{http.TimeFormat, time.RFC3339Nano} {
			if at, err := time.Parse(layout, written); err == nil {
				return at
			}
		}
	}
	return time.Time{}
}

// header returns the first value of a header. Headers are maps or, in HAR and nock, lists of names and values.
func header(message any, name string) string {
	switch headers := pick(message, "headers").(type) {
	case map[string]any:
		for key, value := range headers {
			if !strings.EqualFold(key, name) {
				continue
			}
			if values, ok := value.([]any); ok && len(values) > 0 {
				value = values[0]
			}
			return text(value)
		}
	case []any:
		for i, entry := range headers {
			if strings.EqualFold(text(pick(entry, "name")), name) {
				return text(pick(entry, "value"))
			}
			if strings.EqualFold(text(entry), name) && i%2 == 0 && i+1 < len(headers) {
				return text(headers[i+1])
			}
		}
	}
	return ""
}

// pick returns the value at a path of keys, or nil.
func pick(v any, keys ...string) any {
	for _, key := range keys {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// text returns a string as it is, and "" for everything else.
func text(v any) string {
	s, _ := v.(string)
	return s
}
