package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// corpusEntry is one line of the corpus' index.json.
type corpusEntry struct {
	File       string  `json:"file"`
	EventType  string  `json:"event_type"`
	APIVersion *string `json:"api_version"`
}

// Every recorded payload of the folder FULFIL_CORPUS names, of API versions from 2012 on, is signed and delivered, to a
// typed handler and to the fallback. The handlers get the same fields that encoding/json reads.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("FULFIL_CORPUS")
	if dir == "" {
		t.Skip("FULFIL_CORPUS is not set")
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.json"))
	require.NoError(t, err)
	var entries []corpusEntry
	require.NoError(t, json.Unmarshal(index, &entries))
	require.NotEmpty(t, entries)

	types := map[string]knownType{}
	everyType(func(k knownType) { types[k.name] = k })
	misfits := 0
	for _, entry := range entries {
		t.Run(entry.File, func(t *testing.T) {
			payload, err := os.ReadFile(filepath.Join(dir, entry.File))
			require.NoError(t, err)
			var want struct {
				ID      string `json:"id"`
				Object  string `json:"object"`
				Type    string `json:"type"`
				Created int64  `json:"created"`
				Data    struct {
					Object json.RawMessage `json:"object"`
				} `json:"data"`
			}
			require.NoError(t, json.Unmarshal(payload, &want))
			if want.Object != "event" { // a bare object, of which the index says what event it came with
				payload = webhooktest.Event{ID: "evt_bare", Type: entry.EventType, Object: json.RawMessage(payload)}.Payload()
				require.NoError(t, json.Unmarshal(payload, &want))
			}
			require.Equal(t, entry.EventType, want.Type)
			require.True(t, checkScan(t, bytes.Clone(payload)), "left to encoding/json")
			checkEnvelope(t, bytes.Clone(payload))
			checkMembers(t, want.Data.Object)

			var seen results
			typed := newTestHandler(t, Config{Observe: seen.observe})
			k, ok := types[want.Type]
			require.True(t, ok, "not among the constants: %s", want.Type)
			var id, object any
			k.on(typed, func(e, o any) { id, object = e, o })
			w := serve(typed, payload)
			res := seen.only(t)
			require.Equal(t, 1, res.Handlers)
			require.Equal(t, want.ID, res.EventID)
			require.Equal(t, want.Type, res.EventType)
			direct, misfit := k.unmarshal(want.Data.Object)
			if misfit != nil { // a few old ones have fields of another type than stripe-go's struct
				require.ErrorIs(t, res.Err, ErrDecode)
				require.Equal(t, http.StatusInternalServerError, w.Code)
				misfits++
			} else {
				require.NoError(t, res.Err)
				require.Equal(t, http.StatusOK, w.Code)
				require.Equal(t, want.ID, id)
				require.Equal(t, direct, object)
			}
			if entry.APIVersion != nil {
				require.Equal(t, *entry.APIVersion, res.APIVersion)
			}

			fallback := newTestHandler(t, Config{})
			Fallback(fallback, func(_ context.Context, e *Event[json.RawMessage]) error {
				require.Equal(t, string(payload), string(e.Raw))
				require.Equal(t, want.Created, e.Created.Unix())
				require.Equal(t, string(want.Data.Object), string(e.Object))
				var object struct {
					Metadata map[string]string `json:"metadata"`
				}
				require.NoError(t, json.Unmarshal(e.Object, &object))
				require.Equal(t, object.Metadata, e.Metadata())
				return nil
			})
			require.NoError(t, fallback.Dispatch(t.Context(), payload))
		})
	}
	require.Less(t, misfits, len(entries)/20, "too many do not fit stripe-go's structs")
}
