package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// openAPI describes the control API.
//
//go:embed openapi.json
var openAPI []byte

// A route is a command of the control API.
type route struct {
	pattern string   // method and path
	do      string   // the command
	takes   []string // the fields of the body
}

var routes = []route{
	{"POST /api/clock/advance", "advance", []string{"seconds"}},
	{"PUT /api/faults", "faults", []string{"faults"}},
	{"POST /api/reset", "reset", nil},
	{"POST /api/sessions/{id}/pay", "pay", []string{"method"}},
	{"POST /api/sessions/{id}/settle", "settle", nil},
	{"POST /api/sessions/{id}/bounce", "bounce", nil},
	{"POST /api/sessions/{id}/transfer", "transfer", []string{"amount"}},
	{"POST /api/sessions/{id}/refund", "refund", []string{"amount"}},
	{"POST /api/sessions/{id}/dispute", "dispute", nil},
	{"POST /api/sessions/{id}/inquire", "inquire", nil},
	{"POST /api/refunds/{id}/settle", "settle-refund", nil},
	{"POST /api/refunds/{id}/fail", "fail-refund", nil},
	{"POST /api/disputes/{id}/win", "win-dispute", nil},
	{"POST /api/disputes/{id}/lose", "lose-dispute", nil},
	{"POST /api/events/{id}/deliver", "redeliver", nil},
}

// An outcome is the answer to a command.
type outcome struct {
	ID  string    `json:"id,omitempty"` // of the refund or dispute that was made
	Now time.Time `json:"now"`          // on the clock of the account
}

// apiEvent is an event in the list of events.
type apiEvent struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Created  time.Time    `json:"created"`
	ObjectID string       `json:"object_id"`
	Pending  bool         `json:"pending"`
	Attempts []apiAttempt `json:"attempts"`
}

type apiAttempt struct {
	At     time.Time `json:"at"`
	Number int       `json:"number"`
	Status int       `json:"status"`
	Error  string    `json:"error,omitempty"`
}

// apiRoutes adds the control API.
func (c *control) apiRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openAPI)
	})
	for _, route := range routes {
		mux.HandleFunc(route.pattern, func(w http.ResponseWriter, r *http.Request) { c.serveCommand(w, r, route) })
	}
	mux.HandleFunc("GET /api/clock", func(w http.ResponseWriter, r *http.Request) {
		if acc := c.account(w, r); acc != nil {
			writeJSON(w, http.StatusOK, outcome{Now: c.accounts.server(acc).Now()})
		}
	})
	mux.HandleFunc("GET /api/events", func(w http.ResponseWriter, r *http.Request) {
		acc := c.account(w, r)
		if acc == nil {
			return
		}
		list := []apiEvent{}
		for _, e := range c.accounts.server(acc).Events() {
			shown := apiEvent{e.ID, e.Type, e.Created, e.ObjectID, e.Pending, []apiAttempt{}}
			for _, a := range e.Attempts {
				shown.Attempts = append(shown.Attempts, apiAttempt{a.At, a.Number, a.Status, a.Err})
			}
			list = append(list, shown)
		}
		writeJSON(w, http.StatusOK, map[string]any{"events": list})
	})
}

// account returns the account that the parameter "account" names, or answers 404.
func (c *control) account(w http.ResponseWriter, r *http.Request) *account {
	acc := c.accounts.byName(r.URL.Query().Get("account"))
	if acc == nil {
		writeError(w, http.StatusNotFound, errors.New("there is no such account"))
	}
	return acc
}

func (c *control) serveCommand(w http.ResponseWriter, r *http.Request, route route) {
	acc := c.account(w, r)
	if acc == nil {
		return
	}
	cmd, err := readCommand(r, route)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	id, err := c.accounts.run(acc, cmd)
	if err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	writeJSON(w, http.StatusOK, outcome{ID: id, Now: c.accounts.server(acc).Now()})
}

// readCommand reads the command of a request. It refuses fields that the command does not take, and bodies that are no JSON.
func readCommand(r *http.Request, route route) (command, error) {
	cmd := command{}
	if len(route.takes) > 0 {
		var fields map[string]json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
			return cmd, fmt.Errorf("the body must be a JSON object: %w", err)
		}
		for name := range fields {
			if !slices.Contains(route.takes, name) {
				return cmd, fmt.Errorf("there is no field %q: %s takes %q", name, route.pattern, route.takes)
			}
		}
		raw, err := json.Marshal(fields)
		if err == nil {
			err = json.Unmarshal(raw, &cmd)
		}
		if err != nil {
			return cmd, err
		}
	}
	cmd.Do, cmd.ID = route.do, r.PathValue("id")
	return cmd, cmd.check()
}

// statusOf returns the status of an answer to a command that failed.
func statusOf(err error) int {
	var refused *checkouttest.PaymentError
	switch {
	case errors.As(err, &refused):
		return http.StatusPaymentRequired
	case errors.Is(err, errInput):
		return http.StatusBadRequest
	case errors.Is(err, checkouttest.ErrNoSession), errors.Is(err, checkouttest.ErrNoEvent),
		errors.Is(err, checkouttest.ErrNoRefund), errors.Is(err, checkouttest.ErrNoDispute):
		return http.StatusNotFound
	default:
		return http.StatusConflict
	}
}

func writeError(w http.ResponseWriter, status int, err error) {
	var refused *checkouttest.PaymentError
	detail := map[string]string{"message": err.Error()}
	if errors.As(err, &refused) {
		detail["code"], detail["decline_code"] = refused.Code, refused.DeclineCode
	}
	writeJSON(w, status, map[string]any{"error": detail})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error means that the client is gone
}
