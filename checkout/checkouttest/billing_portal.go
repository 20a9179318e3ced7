package checkouttest

import (
	"maps"
	"net/http"
	"strings"
	"time"
)

// createPortalSession makes a link to the page on which a customer manages subscriptions. The link works as long as the
// server runs. https://docs.stripe.com/api/customer_portal/sessions/create
func (s *Server) createPortalSession(c *call) (object, *apiError) {
	p := c.params
	if err := only(p, "customer", "expand", "locale", "return_url"); err != nil {
		return nil, err
	}
	if p.Get("customer") == nil {
		return nil, missing("customer")
	}
	if _, err := s.objectInParam(c, "customer", p.Get("customer")); err != nil {
		return nil, err
	}
	if back := p.Get("return_url"); back != nil && webURL(back.String()) == "" {
		return nil, invalid("url_invalid", "return_url", "Not a valid URL")
	}
	id := s.newID("bps_1", 23)
	o := object{
		"id": id, "object": "billing_portal.session", "configuration": s.newID("bpc_1", 23), "created": s.Now().Unix(), "customer": p.Get("customer").String(),
		"flow": nil, "livemode": false, "locale": value(p.Get("locale")), "on_behalf_of": nil, "return_url": value(p.Get("return_url")),
		"url": s.base + "/p/session/" + id,
	}
	s.keep(&session{account: c.account}, o)
	s.emitChange("billing_portal.session.created", o, nil, c)
	return o, nil
}

// A portalView is what the page shows of a customer's subscriptions.
type portalView struct {
	language
	ID, Email, ReturnURL string
	Subscriptions        []portalSubscription
	Cards                []testCard
}

type portalSubscription struct {
	ID, Name, Price, Status string
	Card                    string // its last four digits, after dots; empty: there is none
	Until                   string // when the period or the trial ends
	Ends                    bool   // the subscription ends then
	Scheduled               bool   // a schedule decides on its end
	Over                    bool   // it has ended
}

func (s *Server) showPortal(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	v, ok := s.portalView(r)
	s.mu.Unlock()
	if !ok {
		s.showUnknown(w, r)
		return
	}
	render(w, http.StatusOK, "portal", v)
}

// submitPortal does what a button of the portal asks for, and shows the portal again.
// https://docs.stripe.com/customer-management/integrate-customer-portal#webhooks
func (s *Server) submitPortal(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	id := r.PathValue("id")
	s.mu.Lock()
	portal := s.objects[id]
	sub := s.objects[r.PostFormValue("subscription")]
	switch {
	case portal.str("object") != "billing_portal.session":
		s.mu.Unlock()
		s.showUnknown(w, r)
		return
	case sub.str("object") == "subscription" && sub["customer"] == portal["customer"] && !subscriptionOver(sub):
		s.portalAction(sub, r.PostFormValue("action"), PaymentMethod(r.PostFormValue("card")))
	}
	s.mu.Unlock()
	s.flushFor(redirectWait)
	http.Redirect(w, r, "/p/session/"+id, http.StatusSeeOther)
}

// portalAction lets a customer cancel a subscription at the end of its period, withdraw that, or give it another card.
func (s *Server) portalAction(sub object, action string, card PaymentMethod) {
	was, now := maps.Clone(sub), s.Now().Unix()
	switch {
	case sub["schedule"] != nil && action != "card": // the page has no button for this
	case action == "cancel":
		_, end := periodOf(sub)
		sub.endAt(true, end, now)
	case action == "keep":
		sub.endAt(false, nil, now)
	case action == "card" && card.isCard():
		s.giveMethod(sub, card)
	}
	if len(previous(was, sub)) > 0 {
		s.emitChange("customer.subscription.updated", sub, was, nil)
	}
}

// portalView reads the customer of a portal session. It reports false if there is no such session.
func (s *Server) portalView(r *http.Request) (portalView, bool) {
	id := r.PathValue("id")
	portal := s.objects[id]
	if portal.str("object") != "billing_portal.session" {
		return portalView{}, false
	}
	v := portalView{language: pageLanguage(portal.str("locale"), r), ID: id, Email: s.objects[portal.str("customer")].str("email"), ReturnURL: webURL(portal.str("return_url")), Cards: cardsOnThePage()}
	for _, sub := range s.byKind["subscription"] {
		if sub["customer"] == portal["customer"] {
			v.Subscriptions = append(v.Subscriptions, s.portalSubscription(v.language, sub))
		}
	}
	return v, true
}

func (s *Server) portalSubscription(l language, sub object) portalSubscription {
	var names []string
	var total int64
	for _, item := range itemsOf(sub) {
		price := item["price"].(object)
		names = append(names, s.objects[price.str("product")].str("name"))
		total += amountOf(price, item["quantity"].(int64))
	}
	_, until := periodOf(sub)
	if at, ends := sub["cancel_at"].(int64); ends {
		until = at
	}
	shown := portalSubscription{
		ID: sub.str("id"), Name: strings.Join(names, ", "), Status: l.Say(strings.ReplaceAll(sub.str("status"), "_", " ")),
		Price: l.Money(total, sub.str("currency")) + " " + l.every(itemsOf(sub)[0]["price"].(object)["recurring"].(object)),
		Until: l.date(time.Unix(until, 0)), Ends: sub["cancel_at"] != nil, Scheduled: sub["schedule"] != nil, Over: subscriptionOver(sub),
	}
	if card := s.ownerOf(sub).subscription.method.card(); card != nil {
		shown.Card = "•••• " + card.last4()
	}
	return shown
}
