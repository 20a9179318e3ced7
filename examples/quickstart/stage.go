package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

// stage plays the scenes of the control page with the shop itself. It exists only with the test server.
type stage struct {
	shop    *shop
	playing chan struct{} // holds a token while a scene is played: faults are those of the whole test server

	mu      sync.Mutex
	played  map[string][]line
	trouble map[string]error // why an order can't be sent, by its ID
}

// line is something that happened in a scene, with the order and the stock afterwards.
type line struct {
	At    time.Time
	Text  string
	Order *store.Order // nil: the line is about no order
	Stock string
}

func newStage(s *shop) *stage {
	return &stage{shop: s, playing: make(chan struct{}, 1), played: map[string][]line{}, trouble: map[string]error{}}
}

// fulfil is the shop's, unless a scene has something in the way of the order. A failure for good happens once, so that a
// person can cure it.
func (st *stage) fulfil(ctx context.Context, tx *memstore.Tx, o *store.Order) error {
	st.mu.Lock()
	err := st.trouble[o.ID]
	if errors.Is(err, webhook.ErrPermanent) {
		delete(st.trouble, o.ID)
	}
	st.mu.Unlock()
	if err != nil {
		return err
	}
	return st.shop.fulfil(ctx, tx, o)
}

func (st *stage) setTrouble(id string, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.trouble[id] = err
}

// play plays the scene that the form names.
func (s *shop) play(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("scene")
	i := slices.IndexFunc(scenes, func(sc scene) bool { return sc.ID == id })
	if i < 0 {
		s.notFound(w, r)
		return
	}
	select {
	case s.stage.playing <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	defer func() { <-s.stage.playing }()
	act := &act{stage: s.stage}
	err := scenes[i].play(r.Context(), act)
	s.pay.test.Faults() // none
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.stage.mu.Lock()
	s.stage.played[id] = act.lines
	s.stage.mu.Unlock()
	http.Redirect(w, r, "/#"+id, http.StatusSeeOther)
}

type sceneView struct {
	scene
	Lines []line // empty: it was not played yet
}

func (s *shop) showStage(w http.ResponseWriter, _ *http.Request) {
	s.stage.mu.Lock()
	views := make([]sceneView, len(scenes))
	for i, sc := range scenes {
		views[i] = sceneView{sc, s.stage.played[sc.ID]}
	}
	s.stage.mu.Unlock()
	s.render(w, http.StatusOK, "stage", page{Title: "Try it", Here: "stage", Data: struct {
		Now    time.Time
		Scenes []sceneView
	}{s.pay.now(), views}})
}

// act is a scene while it is played.
type act struct {
	*stage
	lines []line
}

// tell adds a line with the order and the stock as they are now.
func (a *act) tell(ctx context.Context, orderID, text string) error {
	l := line{At: a.shop.pay.now(), Text: text}
	if orderID != "" {
		o, err := a.shop.flow.Order(ctx, orderID)
		if err != nil {
			return err
		}
		l.Order = o
	}
	stock, err := a.stock(ctx)
	if err != nil {
		return err
	}
	l.Stock = stock
	a.lines = append(a.lines, l)
	return nil
}

// begin sends a customer to the payment page with one pen.
func (a *act) begin(ctx context.Context, orderID string) (*checkout.Started, error) {
	return a.shop.flow.Begin(ctx, checkout.Session{
		OrderID:    orderID,
		Lines:      []checkout.Line{{SKU: pen.SKU, Name: pen.Name, UnitAmount: pen.Price, Quantity: 1}},
		SuccessURL: a.shop.url + "/thanks?session_id={CHECKOUT_SESSION_ID}",
		CancelURL:  a.shop.url + "/cart",
		HoldFor:    holdFor,
	})
}

// pass lets time pass, and does what falls due.
func (a *act) pass(ctx context.Context, d time.Duration) error {
	a.shop.pay.test.Advance(d)
	_, err := a.shop.flow.Sweep(ctx) // Run would do the same within half a minute
	return err
}
