package checkouttest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// A session is a Checkout Session: the object that the API shows, and what else the server knows of it.
type session struct {
	object
	account      string
	sent         *formparams.Param // the parameters that created it
	lines        []object
	taxRates     [][]object    // by line; nil: nothing is taxed
	extras       []int         // the optional items that the customer has added, by index: their lines follow those of line_items
	method       PaymentMethod // of the payment in progress; empty: there is none
	methodID     string        // the stored payment method that the payment is made with; empty: the charge makes one up
	buyer        Buyer         // of the payment in progress
	debit        string        // the ID of the payment intent whose bank debit is on its way; empty: there is none
	pi           string        // the ID of the payment intent that pays the session or its latest invoice
	subscription *subscription // that the session started; nil: none
	reduction    reduction
	made         []object // objects made with the session; open stores them
}

func (sess *session) id() string { return sess.str("id") }

// lineItems returns the first page of the lines, as `line_items` includes it.
func (sess *session) lineItems() object {
	o, _ := listPage(sess.lines, "/v1/checkout/sessions/"+sess.id()+"/line_items", "item", nil)
	return o
}

func (s *Server) createSession(c *call) (object, *apiError) {
	sess, err := s.newSession(c)
	if err != nil {
		return nil, err
	}
	s.open(sess)
	return sess.object, nil
}

// open stores a new session and everything that was made with it.
func (s *Server) open(sess *session) {
	for _, o := range sess.made {
		s.keep(sess, o)
	}
	s.sessions[sess.id()] = sess
	s.sessionsByAge = append(s.sessionsByAge, sess)
	s.schedule(time.Unix(sess.object["expires_at"].(int64), 0), func() { s.expireIfOpen(sess, nil) })
}

// session returns the session that the path of a request names.
func (s *Server) session(c *call) (*session, *apiError) {
	id := c.path("id")
	sess := s.sessions[id]
	if sess == nil || sess.account != c.account {
		return nil, noSuch(http.StatusNotFound, "checkout.session", id, "id")
	}
	s.refresh(sess)
	return sess, nil
}

func (s *Server) retrieveSession(c *call) (object, *apiError) {
	sess, err := s.session(c)
	if err != nil {
		return nil, err
	}
	return sess.object, nil
}

// updateSession changes a session's metadata: https://docs.stripe.com/api/checkout/sessions/update
func (s *Server) updateSession(c *call) (object, *apiError) {
	sess, err := s.session(c)
	if err != nil {
		return nil, err
	}
	if err := only(c.params, "metadata", "expand"); err != nil {
		return nil, err
	}
	meta, err := mergeMetadata(sess.object["metadata"], c.params.Get("metadata"))
	if err == nil {
		sess.object["metadata"] = meta
	}
	return sess.object, err
}

func (s *Server) expireSession(c *call) (object, *apiError) {
	sess, err := s.session(c)
	if err != nil {
		return nil, err
	}
	if !s.expireIfOpen(sess, c) {
		return nil, &apiError{
			status: http.StatusBadRequest, typ: "invalid_request_error",
			message: fmt.Sprintf("Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `%s`.", sess.str("status")),
		}
	}
	return sess.object, nil
}

func (s *Server) listLineItems(c *call) (object, *apiError) {
	sess, err := s.session(c)
	if err != nil {
		return nil, err
	}
	return listPage(sess.lines, "/v1/checkout/sessions/"+sess.id()+"/line_items", "item", c.params)
}

func (s *Server) listSessions(c *call) (object, *apiError) {
	within, err := createdFilter(c.params)
	if err != nil {
		return nil, err
	}
	var found []object
	for _, sess := range slices.Backward(s.sessionsByAge) {
		s.refresh(sess)
		if sess.account != c.account || !within(sess.object["created"].(int64)) {
			continue
		}
		if email := c.params.Get("customer_details", "email"); email != nil {
			details, _ := sess.object["customer_details"].(object)
			if details.str("email") != email.String() {
				continue
			}
		}
		if matches(sess.object, c.params, "customer", "payment_intent", "payment_link", "status", "subscription") {
			found = append(found, sess.object)
		}
	}
	return listPage(found, "/v1/checkout/sessions", "checkout.session", c.params)
}

// refresh expires a session whose time is up. A wall clock may reach that time before the scheduled task runs.
func (s *Server) refresh(sess *session) {
	if sess.object["expires_at"].(int64) <= s.Now().Unix() {
		s.expireIfOpen(sess, nil)
	}
}

// expireIfOpen expires a session. It reports false if the session is not open.
func (s *Server) expireIfOpen(sess *session, c *call) bool {
	if sess.str("status") != "open" {
		return false
	}
	sess.object["status"], sess.object["url"], sess.method = "expired", nil, ""
	if pi := s.objects[sess.pi]; pi != nil {
		s.cancelPayment(sess, pi, "automatic", c)
	}
	s.offerRecovery(sess)
	s.emit(sess, "checkout.session.expired", sess.object, c)
	return true
}

// returnURL returns the address to which the customer returns after paying, with the session's ID filled in.
// https://docs.stripe.com/payments/checkout/custom-success-page
func (sess *session) returnURL() string {
	u := sess.str("success_url")
	if u == "" {
		u = sess.str("return_url")
	}
	return strings.ReplaceAll(u, "{CHECKOUT_SESSION_ID}", sess.id())
}

// changeSession changes a session and waits for the deliveries.
func (s *Server) changeSession(sessionID string, do func(sess *session) error) error {
	err := s.withSession(sessionID, do)
	s.Flush()
	return err
}

// withSession runs do with a session, with the server locked.
func (s *Server) withSession(sessionID string, do func(sess *session) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.sessions[sessionID]
	if sess == nil {
		return ErrNoSession
	}
	s.refresh(sess)
	return do(sess)
}
