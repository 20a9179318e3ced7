package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/examples/internal/visitor"
)

// Every scene ends as its guarantee says, in either form of the events.
func TestScenes(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"snapshot": nil, "thin": {"-thin"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testScenes(t, args...)
		})
	}
}

func testScenes(t *testing.T, args ...string) {
	ends := map[string]string{
		"hold":    "expired Pens: 1 free, 0 held",
		"last":    "fulfilled Pens: 0 free, 0 held",
		"tabs":    "fulfilled Pens: 2 free, 0 held",
		"lost":    "fulfilled Pens: 2 free, 0 held",
		"doubled": "Parcels sent: 1. fulfilled",
		"refund":  "Parcels sent: 0. refunded",
		"dispute": "fulfilled Pens: 2 free, 0 held",
		"stuck":   "paid Pens: 2 free, 0 held",
	}
	p := start(t, nil, args...)
	b := p.visit(t)
	for _, again := range []string{"Play ", "Play it again "} {
		for _, sc := range scenes {
			b.Open("/")
			b.Press(`data-scene="`+sc.ID+`"`, again+sc.Title)
			require.Equal(t, http.StatusOK, b.Status, sc.ID)
			scene := visitor.Text(b.Element(`data-scene="` + sc.ID + `"`))
			last := scene[:strings.Index(scene, "Play it again")]
			require.Contains(t, last[max(len(last)-80, 0):], ends[sc.ID], sc.ID)
		}
	}
}

func TestAStuckOrderIsResolved(t *testing.T) {
	t.Parallel()
	for button, want := range map[string]string{"Try again": "fulfilled", "Fulfil anyway": "fulfilled", "Give up": "paid"} {
		t.Run(button, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil)
			b := p.visit(t)
			b.Open("/")
			b.Press("", "Play A stuck order")
			b.Follow("Go to the stuck order")
			require.Contains(t, b.Body, "the label printer is out of paper")
			b.Press("data-order=", button)
			require.Contains(t, b.Body, "The decision is kept")
			require.Contains(t, b.Body, `data-status="`+want+`"`)
			b.Follow("Need a person")
			require.Contains(t, b.Body, "None of these.")
		})
	}
}

func TestUnknownScene(t *testing.T) {
	t.Parallel()
	b := start(t, nil).visit(t)
	b.Open("/")
	b.Press("", "Play Two tabs", "scene", "none")
	require.Equal(t, http.StatusNotFound, b.Status)
}

func TestOrdersHavePages(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	for n := range ordersOnPage + 3 {
		_, err := s.flow.Draft(t.Context(), checkout.Session{OrderID: fmt.Sprint("order-", n), SuccessURL: s.url,
			Lines: []checkout.Line{{Name: "Voucher", UnitAmount: pen.Price, Quantity: 1}}})
		require.NoError(t, err)
	}
	v := visitor.New(t, server.URL+"/orders")
	require.Equal(t, ordersOnPage, strings.Count(v.Body, "data-order="))
	v.Follow("Older orders")
	require.Equal(t, 3, strings.Count(v.Body, "data-order="))
	require.NotContains(t, v.Body, "Older orders")
	v.Follow("Paid")
	require.Contains(t, v.Body, "None of these.")
}
