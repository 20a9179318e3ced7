package checkout

import (
	"time"

	"github.com/stripe/stripe-go/v82"
)

// Mode says what a session does: take a payment, start a subscription, or save a payment method.
type Mode string

// The modes of a session: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-mode.
const (
	// ModePayment takes one payment.
	ModePayment Mode = "payment"
	// ModeSubscription starts a subscription. At least one line recurs.
	ModeSubscription Mode = "subscription"
	// ModeSetup saves a payment method and charges nothing. The session has no lines.
	ModeSetup Mode = "setup"
)

// UIMode says where the customer pays.
type UIMode string

// The places where a customer can pay: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-ui_mode.
const (
	// UIModeHosted sends the customer to a page that Stripe hosts.
	UIModeHosted UIMode = "hosted"
	// UIModeEmbedded shows Stripe's form on the merchant's page. The page needs the session's client secret.
	UIModeEmbedded UIMode = "embedded"
)

// Session describes the Stripe Checkout Session that a merchant wants. It is a plain value: fill in the fields and pass
// it to [Flow.Begin] or [Session.CreateParams]. Both report every mistake at once, in an [*InvalidSessionError], before
// anything is stored or sent.
//
// Every text must be valid UTF-8 without NUL characters, because Stripe refuses other texts and databases can't store
// them. Lengths count characters, not bytes, unless the field says otherwise. All parameters together, encoded as a
// form, have at most 1 MB.
//
// Stripe's reference: https://docs.stripe.com/api/checkout/sessions/create.
type Session struct {
	// OrderID is the merchant's own ID of the order: 1 to 200 characters of A-Z, a-z, 0-9, "_" and "-". Stripe gets it
	// as client_reference_id. Required.
	//
	// Whoever can name the ID can act on the order. For the same cart Begin returns the session of the order, whose page may show
	// its customer's e-mail address; for another cart Begin ends that session. So make the ID in the server, and keep it in your
	// database or in the customer's login. Take an ID from a request only if you know that the order is that customer's.
	OrderID string
	// Mode says what the session does. Default: ModePayment.
	Mode Mode
	// Currency is a three-letter code in upper or lower case. All amounts of a session have the same currency.
	// Required in setup mode without PaymentMethodTypes, and when every line has a Price. Default: the currency of the
	// lines.
	Currency string
	// Lines are the goods and services. Payment mode takes 1 to 100 lines. Subscription mode takes up to 20 recurring
	// and up to 20 one-time lines; all recurring lines have the same period. Setup mode takes none.
	Lines []Line

	// UIMode says where the customer pays. Default: UIModeHosted.
	UIMode UIMode
	// SuccessURL is the page that a hosted session sends the customer to after the payment. Required in hosted mode,
	// not allowed in embedded mode.
	//
	// SuccessURL, CancelURL and ReturnURL are absolute, have at most 5,000 characters and no spaces, and use https
	// unless the host is localhost or a loopback address. Stripe replaces {CHECKOUT_SESSION_ID} in them, but only where
	// the braces are literal. Package net/url escapes braces, so the escaped form %7BCHECKOUT_SESSION_ID%7D is turned
	// back into the literal one: a URL built with url.Values works as it is.
	SuccessURL string
	// CancelURL is the page that a hosted session sends the customer to who goes back without paying. Optional in hosted
	// mode, not allowed in embedded mode.
	CancelURL string
	// ReturnURL is the page that the customer returns to from a bank's or a wallet's page. Required in embedded mode,
	// not allowed in hosted mode.
	ReturnURL string

	// HoldFor is how long the customer can pay, and how long stock is held: at most 23 hours and 59 minutes. Stripe
	// keeps a session open for at least 30 minutes. A shorter HoldFor is sent to Stripe as 31 minutes, a minute more in
	// case the clocks differ, and the Flow ends the session when HoldFor is over. Default: 23 hours and 59 minutes.
	HoldFor time.Duration

	// Customer is the ID (cus_…) of a customer at Stripe. It excludes CustomerEmail.
	Customer string
	// CustomerEmail fills in the e-mail address in Stripe's form. It has at most 512 characters. No error repeats it.
	CustomerEmail string
	// Locale is the language of the form, such as "de" or "pt-BR". Default: the language of the customer's browser, as
	// with "auto".
	Locale string

	// AllowPromotionCodes shows a field for promotion codes. Not allowed in setup mode.
	AllowPromotionCodes bool
	// AutomaticTax lets Stripe Tax compute the tax. Not allowed in setup mode. If Customer has no address yet, Stripe
	// also requires customer_update[address]; Params can set it.
	AutomaticTax bool
	// Shipping asks for an address and offers shipping options. Not allowed in setup mode.
	Shipping Shipping
	// PaymentMethodTypes restricts the payment methods. Default: the methods that the Dashboard's settings select for
	// each customer ("dynamic payment methods"). The default suits most shops.
	PaymentMethodTypes []string
	// ManualCapture only authorizes the payment. The merchant captures it later. Payment mode only.
	ManualCapture bool
	// Connect routes the money on a platform.
	Connect Connect
	// TrialDays is the number of days that a subscription is free before its first payment, at most 730
	// (https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-subscription_data-trial_period_days). Stripe
	// asks for a payment method all the same; Params can set payment_method_collection to "if_required". Subscription mode only.
	// Default: there is no trial.
	TrialDays int64

	// Metadata is stored with the session, and also with its payment intent, subscription or setup intent, because
	// Stripe does not copy metadata by itself. It has at most 47 keys, because this package uses three of the 50 that
	// Stripe takes, and at most 46 if Variable is set. A key has 1 to 40 characters, contains neither "[" nor "]", and does
	// not begin with "fulfil_". A value has at most 500 characters and may be empty.
	// Source: https://docs.stripe.com/metadata.
	Metadata map[string]string

	// Variable accepts a subtotal that differs from the sum of the lines. Set it if the Dashboard lets customers change
	// what they buy: cross-sells, upsells, and prices that the customer chooses. Without it, an order whose paid subtotal
	// differs is parked until a person decides. With it, the order is fulfilled, and its lines are those that Stripe
	// lists as bought. Currency, mode and livemode are compared all the same.
	//
	// It is not allowed while a line has a SKU, because the customer could buy more than is held, and not in setup mode.
	// Sources: https://docs.stripe.com/payments/checkout/cross-sells, https://docs.stripe.com/payments/checkout/upsells and
	// https://docs.stripe.com/payments/checkout/pay-what-you-want. Default: false.
	Variable bool

	// Params may change anything that has no field here. It runs just before the parameters are stored and sent. It must
	// give the same result for the same session every time, because Begin compares the results to recognise a second
	// click. It must not keep the pointer.
	//
	// Three kinds of change are refused:
	//
	//   - a change of what identifies the order: client_reference_id, mode, expires_at, and metadata that begins with
	//     "fulfil_";
	//   - a change of what is sold: the number of lines, their prices and their quantities. The quantity of a line with a
	//     Price but without a SKU may be removed, because Stripe takes none for a metered price;
	//   - while a line has a SKU, everything that lets the customer buy something else than was held: recovery of an
	//     expired session, adjustable quantities, optional items and custom amounts.
	//
	// Params changes the structs that it finds, such as p.SubscriptionData. A new struct in their place would lose the
	// metadata that identifies the order.
	//
	// Params can't set headers. Connect.Account sets the account of a request.
	Params func(*stripe.CheckoutSessionCreateParams)
}

// Shipping says where the merchant ships to, and what shipping costs.
type Shipping struct {
	// Countries are the upper-case two-letter codes of the countries that the merchant ships to. If there are any, Stripe
	// asks the customer for an address.
	Countries []string
	// Options are the ways of shipping that the customer chooses from: at most 5. Payment mode only, because Stripe offers
	// shipping options in no other (https://docs.stripe.com/payments/during-payment/charge-shipping).
	Options []ShippingOption
}

// ShippingOption is one way of shipping: either the Rate of a shipping rate at Stripe, or a Name and an Amount.
type ShippingOption struct {
	// Rate is the ID (shr_…) of a shipping rate at Stripe. It excludes the other fields.
	Rate string
	// Name is shown to the customer. It has at most 100 characters. Required without Rate.
	Name string
	// Amount is the price, zero or more, in the session's currency. Required without Rate.
	Amount Amount
	// MinDays and MaxDays are the estimated delivery time in business days. Default: zero, which leaves that end open.
	MinDays, MaxDays int64
}

// Connect holds the fields for a platform: https://docs.stripe.com/connect/charges.
type Connect struct {
	// Account is the connected account (acct_…) on which the session is created: a direct charge. It is sent as the
	// Stripe-Account header.
	Account string
	// Destination is the connected account (acct_…) that receives the money: a destination charge. Not allowed in setup
	// mode.
	Destination string
	// OnBehalfOf is the connected account (acct_…) that is the merchant of record.
	OnBehalfOf string
	// ApplicationFee is the platform's share, zero or more, in the session's currency. It requires Account or
	// Destination. Payment mode only: a subscription takes a percentage instead; Params can set it.
	ApplicationFee Amount
}

// Interval is the unit of a billing period.
type Interval string

// The intervals that Stripe bills in.
const (
	IntervalDay   Interval = "day"
	IntervalWeek  Interval = "week"
	IntervalMonth Interval = "month"
	IntervalYear  Interval = "year"
)

// Recurring is the billing period of a line. The zero Recurring is a one-time line.
type Recurring struct {
	// Interval is the unit of the period.
	Interval Interval
	// Count is the number of intervals in one period. A period is at most three years long. Default: 1.
	Count int64
}

// Line is one position of an order. Its price is either the Price of one that exists at Stripe, or inline: a UnitAmount
// together with a Name or with a Product that exists at Stripe.
type Line struct {
	// SKU names the stock that the line is taken from. It has at most 255 bytes. Two lines may have the same SKU.
	// Default: empty, for a line whose stock is not tracked.
	SKU string
	// Name is shown to the customer. It has at most 5,000 characters. Required without Price and Product. With a Price
	// or a Product, Stripe shows the name of its own product, and this Name is only stored with the order.
	Name string
	// Description is shown below the name. It has at most 40,000 characters. Not allowed with Price or Product.
	Description string
	// Images are up to 8 absolute URLs of pictures, each with at most 2,048 characters. Stripe must be able to fetch
	// them. Not allowed with Price or Product.
	Images []string
	// UnitAmount is the price of one unit, zero or more. Required without Price, not allowed with it.
	UnitAmount Amount
	// Quantity is the number of units, at least 1.
	Quantity int64
	// Price is the ID (price_…) of a price at Stripe. It excludes UnitAmount, Product and Recurring.
	Price string
	// Product is the ID (prod_…) of a product at Stripe, sold for UnitAmount.
	Product string
	// Recurring is the billing period. Subscription mode only. A Price has its period at Stripe.
	Recurring Recurring
}
