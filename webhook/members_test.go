package webhook

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type memberBase struct {
	Created int64 `json:"created"`
	Mode    string
	Deep    *memberDeep
}

type memberDeep struct{ Value any }

type memberText string

func (m *memberText) UnmarshalText(text []byte) error {
	*m = memberText("<" + string(text) + ">")
	return nil
}

// memberSelf decodes itself, and uses members without a field.
type memberSelf struct{ Members int }

func (m *memberSelf) UnmarshalJSON(data []byte) error {
	var all map[string]any
	err := json.Unmarshal(data, &all)
	m.Members = len(all)
	return err
}

// memberShapes are structs whose fields encoding/json finds in different ways.
var memberShapes = []func() any{
	func() any { return new(struct{ ID, Object, Missing string }) },
	func() any {
		return new(struct {
			ID       any             `json:"id,omitempty"`
			Metadata map[string]any  `json:"METADATA"`
			Raw      json.RawMessage `json:"line_items"`
			Dropped  string          `json:"-"`
		})
	},
	func() any {
		return new(struct {
			memberBase
			*memberDeep
			Mode     *string    `json:"mode"`
			Currency memberText `json:"currency"`
		})
	},
	func() any {
		return new(struct {
			Named  memberBase `json:"customer"`
			Amount json.Number
			At     time.Time `json:"at"`
			List   []any     `json:"line_items"`
		})
	},
	func() any {
		return new(struct {
			State string `json:"ſtatus"`
		})
	},
	func() any { return new(memberSelf) },
	func() any { return new(map[string]any) },
	func() any { return new(memberText) },
}

// checkMembers holds unmarshal to its promise: it decodes as json.Unmarshal does.
func checkMembers(t *testing.T, raw []byte) {
	t.Helper()
	if !json.Valid(raw) {
		return
	}
	given := bytes.Clone(raw)
	for _, shape := range memberShapes {
		want, got := shape(), shape()
		wantErr, gotErr := json.Unmarshal(raw, want), unmarshal(raw, got)
		require.Equal(t, given, raw, "the object was changed")
		require.Equal(t, wantErr == nil, gotErr == nil, "%T: %v, %v", want, wantErr, gotErr)
		require.Equal(t, want, got)
		if wantErr != nil {
			require.Equal(t, withoutValues(wantErr).Error(), withoutValues(gotErr).Error())
		}
	}
}

var memberSeeds = []string{
	`{"id":"cs_1","object":"checkout.session","created":1700000000,"metadata":{"a":"b"},"mode":"payment","currency":"eur"}`,
	`{ "id" : 7 , "line_items" : [ {"id":"li_1"} , null ] , "amount" : 1e2, "at":"2025-01-02T03:04:05Z" }`,
	`{"id":"a","id":"b","id":null,"object":"x","object":{}}`, `{"ID":"a","id":"b"}`, `{"metadata":null,"METADATA":{"x":1}}`,
	`{"mode":1}`, `{"currency":1}`, `{"currency":"x","value":[1],"deep":{"value":2}}`, `{"customer":{"Created":5,"mode":"m"},"amount":"x"}`,
	`{"-":"dash","":"empty","hidden":"x","dropped":"y"}`, `{"\u0069d":"escaped"}`, `{"status":"x"}`, `{"ſtatus":"y"}`, `{}`, `null`, `[]`, `"text"`, `1`,
	`{"at":"yesterday"}`, `{"id":"\ud800","object":"\""}`, `{"status":"\u00e9"}`,
}

func TestMembers(t *testing.T) {
	t.Parallel()
	for _, raw := range memberSeeds {
		checkMembers(t, []byte(raw))
	}
	env, err := readEnvelope([]byte(completedPayload))
	require.NoError(t, err)
	checkMembers(t, env.data)
	picked, ok := pickMembers(nil, env.data, wantedMembers(reflect.TypeFor[struct{ ID, Currency string }]()))
	require.True(t, ok)
	require.JSONEq(t, `{"id":"cs_test_a1ExampleSession00000000000000000000000000000000000001","currency":"eur"}`, string(picked))
}

func FuzzMembers(f *testing.F) {
	for _, raw := range memberSeeds {
		f.Add([]byte(raw))
	}
	f.Fuzz(checkMembers)
}
