package checkouttest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

var (
	// ErrNoSession says that the server has no such session.
	ErrNoSession = errors.New("checkouttest: no such session")
	// ErrNotOpen says that the session can no longer be paid. ErrExpired and ErrComplete wrap it.
	ErrNotOpen = errors.New("checkouttest: session is not open")
	// ErrExpired says that the session has expired.
	ErrExpired = fmt.Errorf("%w: it has expired", ErrNotOpen)
	// ErrComplete says that the session was completed earlier.
	ErrComplete = fmt.Errorf("%w: it is complete", ErrNotOpen)
	// ErrNotRecoverable says that the session has no recovery link. It has not expired, or it expired more than 30 days ago,
	// or it was created without after_expiration.
	ErrNotRecoverable = errors.New("checkouttest: session has no recovery link")
	// ErrNotPending says that nothing is in progress that could end: the session has no bank debit on its way, the refund is
	// not pending, the dispute is closed, or the subscription has no period that could end.
	ErrNotPending = errors.New("checkouttest: nothing is in progress that could end")
	// ErrAmount says that an amount is not positive.
	ErrAmount = errors.New("checkouttest: the amount is not positive")
	// ErrMethodNotOffered says that the session does not take this payment method.
	ErrMethodNotOffered = errors.New("checkouttest: session does not offer this payment method")
	// ErrQuantity says that the session does not allow a quantity in Buyer.Quantities.
	ErrQuantity = errors.New("checkouttest: session does not let its customer choose this quantity")
	// ErrPromotionCode says that the session does not take the promotion code in Buyer.PromotionCode.
	ErrPromotionCode = errors.New("checkouttest: session does not take this promotion code")
	// ErrAnswer says that the session does not take an answer in Buyer.Answers.
	ErrAnswer = errors.New("checkouttest: session does not take this answer")
	// ErrNotPaid says that the session has no payment to refund or dispute: none has succeeded, or none was captured.
	ErrNotPaid = errors.New("checkouttest: session has no successful payment")
	// ErrOverRefund says that a refund exceeds what is left of the payment.
	ErrOverRefund = errors.New("checkouttest: refund exceeds what is left of the payment")
	// ErrDisputed says that the payment is or was disputed. It can't be refunded, or disputed again.
	ErrDisputed = errors.New("checkouttest: payment is disputed")
	// ErrNoSubscription says that the server has no such subscription.
	ErrNoSubscription = errors.New("checkouttest: no such subscription")
	// ErrNoRefund says that the server has no such refund.
	ErrNoRefund = errors.New("checkouttest: no such refund")
	// ErrNoDispute says that the server has no such dispute.
	ErrNoDispute = errors.New("checkouttest: no such dispute")
	// ErrNoEvent says that the server has no such event.
	ErrNoEvent = errors.New("checkouttest: no such event")
)

// A PaymentError says that a payment was refused. The session stays open, and the customer may try again. The codes are
// Stripe's: https://docs.stripe.com/error-codes and https://docs.stripe.com/declines/codes.
type PaymentError struct {
	Code        string // such as "card_declined"
	DeclineCode string // such as "insufficient_funds"; empty where Stripe gives none
	Message     string // for the customer
	AdviceCode  string // such as "try_again_later"; empty where Stripe gives none
}

func (e *PaymentError) Error() string {
	if e.DeclineCode != "" {
		return fmt.Sprintf("checkouttest: payment refused: %s (%s)", e.Code, e.DeclineCode)
	}
	return "checkouttest: payment refused: " + e.Code
}

// An apiError is an error answer of the API.
type apiError struct {
	status  int
	typ     string
	code    string
	param   string
	message string

	declineCode, adviceCode string // of a card_error
	intent                  object // of a card_error: the payment intent or the setup intent as it is now

	// unsaved marks errors that Stripe finds before it executes a call. Idempotency keys do not remember them.
	unsaved bool
}

func (e *apiError) body() object {
	inner := object{"message": e.message, "type": e.typ}
	if e.code != "" {
		inner["code"] = e.code
		inner["doc_url"] = "https://stripe.com/docs/error-codes/" + dashed(e.code)
	}
	if e.param != "" {
		inner["param"] = e.param
	}
	if e.declineCode != "" {
		inner["decline_code"] = e.declineCode
	}
	if e.adviceCode != "" {
		inner["advice_code"] = e.adviceCode
	}
	if e.intent != nil {
		inner[e.intent.str("object")] = e.intent
		if last, ok := e.intent["last_payment_error"].(object); ok && last["charge"] != nil {
			inner["charge"], inner["payment_method"] = last["charge"], last["payment_method"]
		}
	}
	return object{"error": inner}
}

// bodyV2 returns the error in the shape that /v2 has for it. Stripe documents the codes not_found and idempotency_error; its
// answers show invalid_fields and the messages of fields. https://docs.stripe.com/api/v2/core/event-destinations/create
func (e *apiError) bodyV2() object {
	inner := object{"message": e.message}
	switch {
	case e.status == http.StatusNotFound:
		inner["code"] = "not_found"
	case e.typ == "idempotency_error":
		inner["code"], inner["type"] = e.typ, e.typ
	case e.code == "rate_limit":
		inner["code"], inner["type"] = e.code, e.code
	case e.param != "":
		message := e.message
		if e.code == "parameter_unknown" {
			message = "Unknown field."
		}
		inner["code"] = "invalid_fields"
		inner["message"] = fmt.Sprintf("Some fields in the request were invalid: '%s: %s'", dotted(e.param), message)
	default:
		inner["type"] = e.typ
	}
	return object{"error": inner}
}

// dotted writes the key of a parameter as /v2 does: a[b] is a.b. The index of an item stays in brackets.
func dotted(key string) string {
	name, rest, _ := strings.Cut(key, "[")
	for segment := range strings.SplitSeq(strings.TrimSuffix(rest, "]"), "][") {
		_, err := strconv.Atoi(segment)
		switch {
		case segment == "":
		case err == nil:
			name += "[" + segment + "]"
		default:
			name += "." + segment
		}
	}
	return name
}

func dashed(code string) string {
	b := []byte(code)
	for i := range b {
		if b[i] == '_' {
			b[i] = '-'
		}
	}
	return string(b)
}

// invalid is the error of a parameter that fails validation.
func invalid(code, param, format string, args ...any) *apiError {
	return &apiError{
		status: http.StatusBadRequest, typ: "invalid_request_error", code: code, param: param,
		message: fmt.Sprintf(format, args...), unsaved: true,
	}
}

// onlyOneOf is the error of parameters that exclude each other.
func onlyOneOf(param string, names ...string) *apiError {
	return invalid("", param, "You may only specify one of these parameters: %s.", strings.Join(names, ", "))
}

func missing(param string) *apiError {
	return invalid("parameter_missing", param, "Missing required param: %s.", param)
}

// notFound is the error of an object of /v2 that does not exist.
func notFound(c *call) *apiError {
	return &apiError{status: http.StatusNotFound, message: "No such object: '" + c.path("id") + "'"}
}

// noSuch is the error of an object that does not exist. Its status is 404 if the path names the object, and 400 if a
// parameter does.
func noSuch(status int, kind, id, param string) *apiError {
	return &apiError{
		status: status, typ: "invalid_request_error", code: "resource_missing", param: param,
		message: fmt.Sprintf("No such %s: '%s'", kind, id), unsaved: status == http.StatusBadRequest,
	}
}
