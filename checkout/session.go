package checkout

import (
	"time"

	"github.com/stripe/stripe-go/v82"
)

// Mode is what a session asks of the customer. The zero Mode is ModePayment.
type Mode string

// The modes of a session: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-mode.
const (
	// ModePayment takes one payment.
	ModePayment Mode = "payment"
	// ModeSubscription starts a subscription; at least one line recurs.
	ModeSubscription Mode = "subscription"
	// ModeSetup saves a payment method and charges nothing. It has no lines.
	ModeSetup Mode = "setup"
)

// UIMode is where the customer pays. The zero UIMode is UIModeHosted.
type UIMode string

// The places where a customer can pay: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-ui_mode.
const (
	// UIModeHosted redirects to a page of Stripe's.
	UIModeHosted UIMode = "hosted"
	// UIModeEmbedded shows Stripe's form on the merchant's page, which needs the session's client secret.
	UIModeEmbedded UIMode = "embedded"
)

// Session is what a merchant wants of one Stripe Checkout Session. It is a plain value: fill in the fields, hand it
// over, and every mistake in it is reported at once by an *InvalidSessionError.
//
// Stripe's reference: https://docs.stripe.com/api/checkout/sessions/create.
type Session struct {
	// OrderID is the merchant's own ID of the order, 1 to 200 characters of A-Z, a-z, 0-9, "_" and "-", and becomes
	// client_reference_id. Required.
	OrderID string
	// Mode is payment if left out.
	Mode Mode
	// Currency is a three-letter code in either case. It is needed where no line carries one: in setup mode without
	// PaymentMethodTypes, and when every line has a Price. All amounts of a session are of one currency.
	Currency string
	// Lines are what is sold: 1 to 100 in payment mode, up to 20 recurring and 20 one-time ones in subscription mode,
	// none in setup mode.
	Lines []Line

	// UIMode is hosted if left out.
	UIMode UIMode
	// SuccessURL is where a hosted page sends the customer afterwards. Required when hosted, not allowed when embedded.
	//
	// SuccessURL, CancelURL and ReturnURL are absolute, and https unless the host is localhost or a loopback address.
	// Stripe replaces {CHECKOUT_SESSION_ID} in them only if the braces are literal, which net/url escapes; an escaped
	// %7BCHECKOUT_SESSION_ID%7D is therefore turned back, so that a URL built with url.Values works as it is.
	SuccessURL string
	// CancelURL is where a hosted page sends a customer who turns back. Optional; not allowed when embedded.
	CancelURL string
	// ReturnURL is where the customer comes back from a bank's or wallet's page. Required when embedded, not allowed
	// when hosted.
	ReturnURL string

	// HoldFor is how long the customer has to pay, and how long stock is held: up to 23 hours and 59 minutes, which is
	// also what zero means. Stripe itself keeps a session open for at least 30 minutes; a shorter HoldFor is sent as 31
	// minutes (a margin for clocks that differ) and ended early by whoever manages the order.
	HoldFor time.Duration

	// Customer is the ID (cus_…) of a customer Stripe knows. It excludes CustomerEmail.
	Customer string
	// CustomerEmail fills in the address in Stripe's form. It is never repeated in an error.
	CustomerEmail string
	// Locale is the form's language, as "de" or "pt-BR". Left out, or "auto", it is the browser's.
	Locale string

	// AllowPromotionCodes shows a field for promotion codes. Not in setup mode.
	AllowPromotionCodes bool
	// AutomaticTax has Stripe Tax compute tax. Not in setup mode. With a Customer who has no address yet, Stripe also
	// wants customer_update[address], which Params can set.
	AutomaticTax bool
	// Shipping asks for an address and offers ways of shipping. Not in setup mode.
	Shipping Shipping
	// PaymentMethodTypes restricts how customers can pay. Left out, the Dashboard's settings decide ("dynamic payment
	// methods"), which is what most shops want.
	PaymentMethodTypes []string
	// ManualCapture only reserves the money; capturing it later is up to the merchant. Payment mode only.
	ManualCapture bool
	// Connect routes the money on a platform.
	Connect Connect

	// Metadata is stored with the session and with the payment intent, subscription or setup intent that comes of it
	// (Stripe does not pass it on by itself). At most 47 keys, because three of Stripe's 50 are taken; keys of 1 to 40
	// characters without "[" and "]" that do not begin with "fulfil_", values of up to 500 characters.
	// Source: https://docs.stripe.com/metadata.
	Metadata map[string]string

	// Params may change anything that has no field here, just before the parameters are stored and sent. It must give
	// the same result for the same session every time, because a second click is recognised by it, and must not keep
	// the pointer. Afterwards is refused: a change of what identifies the order (client_reference_id, mode, expires_at,
	// metadata that begins with "fulfil_") or of what is sold (number, price and quantity of lines, except that the
	// quantity of a line with a metered Price can be taken out); and, while a line has a SKU, everything by which a
	// customer could buy something else than was held (recovery of an expired session, adjustable quantities, optional
	// items, custom amounts). Headers can't be set here; the account of a request is Connect.Account.
	Params func(*stripe.CheckoutSessionCreateParams)
}

// Shipping is where a session's goods can go and what that costs.
type Shipping struct {
	// Countries are the upper-case two-letter codes of where the merchant ships to. With any, Stripe asks for an address.
	Countries []string
	// Options are the ways of shipping the customer chooses from, at most 5.
	Options []ShippingOption
}

// ShippingOption is one way of shipping: the Rate of a shipping rate Stripe knows, or a Name and an Amount.
type ShippingOption struct {
	// Rate is the ID of a shipping rate (shr_…). It excludes the other fields.
	Rate string
	// Name is what the customer reads. Required without Rate.
	Name string
	// Amount is the price, zero or more, in the session's currency. Required without Rate.
	Amount Amount
	// MinDays and MaxDays are shown as the estimated delivery, in business days. Zero leaves that end open.
	MinDays, MaxDays int64
}

// Connect are the fields of a platform: https://docs.stripe.com/connect/charges.
type Connect struct {
	// Account is the connected account (acct_…) in whose name the request is made: a direct charge.
	// It is sent as the Stripe-Account header.
	Account string
	// Destination is the connected account (acct_…) the money is transferred to: a destination charge.
	// Payment and subscription mode.
	Destination string
	// OnBehalfOf is the connected account (acct_…) that is the merchant of record.
	OnBehalfOf string
	// ApplicationFee is what the platform keeps, zero or more, in the session's currency; it needs Account or
	// Destination. Payment mode only: a subscription takes a percentage, which Params can set.
	ApplicationFee Amount
}

// Interval is how often a recurring line is billed.
type Interval string

// The intervals Stripe bills in.
const (
	IntervalDay   Interval = "day"
	IntervalWeek  Interval = "week"
	IntervalMonth Interval = "month"
	IntervalYear  Interval = "year"
)

// Recurring makes an inline line a subscription. The zero Recurring is a one-time line.
type Recurring struct {
	// Interval is the unit of the period.
	Interval Interval
	// Count is how many intervals one period has; zero means one. A period is at most three years.
	Count int64
}

// Line is one position of an order. Its price is either a Price that Stripe knows or given inline, as UnitAmount with a
// Name or an existing Product.
type Line struct {
	// SKU names the stock the line is taken from, up to 255 bytes. Empty: not stock-tracked.
	// Two lines may have the same SKU.
	SKU string
	// Name is what the customer reads. Required without Price and Product; with one of them Stripe shows the name of
	// its own product, and this one is only kept with the order.
	Name string
	// Description is shown below the name. Only together with an inline product (a Name, neither Price nor Product).
	Description string
	// Images are up to 8 absolute URLs of pictures Stripe can fetch. Only together with an inline product.
	Images []string
	// UnitAmount is the price of one, zero or more. Required without Price, excluded by it.
	UnitAmount Amount
	// Quantity is how many, at least 1.
	Quantity int64
	// Price is the ID of a price Stripe knows (price_…). It excludes UnitAmount, Product and Recurring.
	Price string
	// Product is the ID of a product Stripe knows (prod_…), sold for UnitAmount.
	Product string
	// Recurring makes an inline line recur; subscription mode only. The period of a Price is Stripe's own.
	Recurring Recurring
}
