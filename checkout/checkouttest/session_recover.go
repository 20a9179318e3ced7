package checkouttest

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// recoverable is the time for which the link of an expired session works:
// https://docs.stripe.com/payments/checkout/abandoned-carts
const recoverable = 30 * 24 * time.Hour

// offerRecovery gives an expiring session the link to a new session, if the session was created with after_expiration.
func (s *Server) offerRecovery(sess *session) {
	recovery, _ := sess.object["after_expiration"].(object)
	if offer, ok := recovery["recovery"].(object); ok && offer["enabled"] == true {
		sess.object["after_expiration"] = object{"recovery": offer.with(object{
			"expires_at": s.Now().Add(recoverable).Unix(), "url": s.base + "/c/recover/" + sess.id(),
		})}
	}
}

// Recover opens the link of an expired session, after_expiration.recovery.url, as its customer would. The link creates a
// copy of the session with the same metadata, whose recovered_from names the expired session. Recover returns the ID of the
// copy. Errors: ErrNoSession, ErrNotRecoverable.
func (s *Server) Recover(sessionID string) (recovered string, err error) {
	err = s.changeSession(sessionID, func(sess *session) error {
		copied, err := s.recover(sess)
		if err == nil {
			recovered = copied.id()
		}
		return err
	})
	return recovered, err
}

func (s *Server) recover(sess *session) (*session, error) {
	recovery, _ := sess.object["after_expiration"].(object)
	offer, _ := recovery["recovery"].(object)
	if until, _ := offer["expires_at"].(int64); until <= s.Now().Unix() {
		return nil, ErrNotRecoverable
	}
	params := sess.sent.Without("expires_at") // it has passed
	copied, err := s.newSession(&call{account: sess.account, params: params})
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotRecoverable, err.message)
	}
	copied.object["recovered_from"], copied.object["metadata"] = sess.id(), sess.object["metadata"]
	s.open(copied)
	return copied, nil
}

func (s *Server) followRecovery(w http.ResponseWriter, r *http.Request) {
	recovered, err := s.Recover(r.PathValue("id"))
	switch {
	case errors.Is(err, ErrNotRecoverable):
		render(w, http.StatusGone, "expired", &view{language: pageLanguage("", r)})
	case err != nil:
		s.showUnknown(w, r)
	default:
		http.Redirect(w, r, "/c/pay/"+recovered, http.StatusSeeOther)
	}
}
