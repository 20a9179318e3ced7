package checkout

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// The metadata keys by which this package recognises its own sessions and their payments.
const (
	identityPrefix  = "fulfil_"
	metadataShop    = identityPrefix + "shop"
	metadataOrder   = identityPrefix + "order"
	metadataAttempt = identityPrefix + "attempt"
)

var identityKeys = [...]string{metadataShop, metadataOrder, metadataAttempt}

// metadataVariable is set for a session whose Variable is true. The stored parameters of an attempt are the only record of
// that choice; see variable.
const metadataVariable = identityPrefix + "variable"

// sessionIdentity says which attempt of which order of which shop a session belongs to. The zero value adds no metadata.
type sessionIdentity struct {
	shop    string
	order   string
	attempt int
}

// CreateParams validates the session and returns the parameters that stripe-go sends for it. They have
// client_reference_id, the metadata in both places, the Stripe-Account header of Connect.Account, and expires_at, which
// is HoldFor after now, but at least 31 minutes. Its error is an [*InvalidSessionError].
//
// CreateParams stores and holds nothing. The session gets no metadata by which a [Flow] would recognise a later event as
// its own. Use [Flow.Begin] for that.
func (s Session) CreateParams(now time.Time) (*stripe.CheckoutSessionCreateParams, error) {
	return s.createParams(sessionIdentity{}, now)
}

// createParams builds the parameters of one attempt and lets Session.Params change them.
func (s Session) createParams(id sessionIdentity, now time.Time) (*stripe.CheckoutSessionCreateParams, error) {
	params, err := s.build()
	if err != nil {
		return nil, err
	}
	if id != (sessionIdentity{}) {
		s.addMetadata(params, metadataShop, id.shop)
		s.addMetadata(params, metadataOrder, id.order)
		s.addMetadata(params, metadataAttempt, strconv.Itoa(id.attempt))
		if s.Variable {
			params.AddMetadata(metadataVariable, "true")
		}
	}
	params.ExpiresAt = stripe.Int64(now.Add(s.sessionLife()).Unix())
	if len(encodeParams(params)) > maxBody {
		return nil, &InvalidSessionError{Problems: []FieldProblem{{Field: "Lines", Message: "must be shorter: a session has at most " + maxBodyText}}}
	}
	if s.Params == nil {
		return params, nil
	}
	before := sessionValues(params)
	s.Params(params)
	if err := s.checkChanged(before, params); err != nil {
		return nil, err
	}
	return params, nil
}

// build validates the session and builds the parameters that depend neither on the time nor on the attempt.
func (s Session) build() (*stripe.CheckoutSessionCreateParams, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	p := &stripe.CheckoutSessionCreateParams{
		ClientReferenceID: stripe.String(s.OrderID),
		Mode:              stripe.String(string(s.mode())),
		SuccessURL:        optionalString(literalSessionID(s.SuccessURL)),
		CancelURL:         optionalString(literalSessionID(s.CancelURL)),
		ReturnURL:         optionalString(literalSessionID(s.ReturnURL)),
		Customer:          optionalString(s.Customer),
		CustomerEmail:     optionalString(s.CustomerEmail),
		Locale:            optionalString(s.Locale),
		Metadata:          maps.Clone(s.Metadata),
	}
	if s.UIMode == UIModeEmbedded {
		p.UIMode = stripe.String(string(UIModeEmbedded))
	}
	if s.Connect.Account != "" {
		p.SetStripeAccount(s.Connect.Account)
	}
	for _, l := range s.Lines {
		p.LineItems = append(p.LineItems, l.item())
		if l.Price != "" {
			// A Price may have several currencies, so the session names its own.
			p.Currency = stripe.String(s.currency())
		}
	}
	if s.mode() == ModeSetup {
		p.Currency = optionalString(s.currency())
	}
	if len(s.PaymentMethodTypes) > 0 {
		p.PaymentMethodTypes = stringPointers(s.PaymentMethodTypes)
	}
	if s.AllowPromotionCodes {
		p.AllowPromotionCodes = stripe.Bool(true)
	}
	if s.AutomaticTax {
		p.AutomaticTax = &stripe.CheckoutSessionCreateAutomaticTaxParams{Enabled: stripe.Bool(true)}
	}
	s.addShipping(p)
	s.addIntent(p)
	return p, nil
}

// item returns the line as Stripe takes it.
func (l Line) item() *stripe.CheckoutSessionCreateLineItemParams {
	item := &stripe.CheckoutSessionCreateLineItemParams{Quantity: stripe.Int64(l.Quantity)}
	if l.Price != "" {
		item.Price = stripe.String(l.Price)
		return item
	}
	data := &stripe.CheckoutSessionCreateLineItemPriceDataParams{
		Currency:   stripe.String(l.UnitAmount.currency),
		UnitAmount: stripe.Int64(l.UnitAmount.minor),
		Product:    optionalString(l.Product),
	}
	if l.Product == "" {
		data.ProductData = &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{
			Name:        stripe.String(l.Name),
			Description: optionalString(l.Description),
		}
		if len(l.Images) > 0 {
			data.ProductData.Images = stringPointers(l.Images)
		}
	}
	if l.Recurring != (Recurring{}) {
		data.Recurring = &stripe.CheckoutSessionCreateLineItemPriceDataRecurringParams{
			Interval:      stripe.String(string(l.Recurring.Interval)),
			IntervalCount: stripe.Int64(max(l.Recurring.Count, 1)),
		}
	}
	item.PriceData = data
	return item
}

func (s Session) addShipping(p *stripe.CheckoutSessionCreateParams) {
	if len(s.Shipping.Countries) > 0 {
		p.ShippingAddressCollection = &stripe.CheckoutSessionCreateShippingAddressCollectionParams{
			AllowedCountries: stringPointers(s.Shipping.Countries),
		}
	}
	for _, o := range s.Shipping.Options {
		p.ShippingOptions = append(p.ShippingOptions, o.params())
	}
}

func (o ShippingOption) params() *stripe.CheckoutSessionCreateShippingOptionParams {
	if o.Rate != "" {
		return &stripe.CheckoutSessionCreateShippingOptionParams{ShippingRate: stripe.String(o.Rate)}
	}
	data := &stripe.CheckoutSessionCreateShippingOptionShippingRateDataParams{
		Type:        stripe.String("fixed_amount"),
		DisplayName: stripe.String(o.Name),
		FixedAmount: &stripe.CheckoutSessionCreateShippingOptionShippingRateDataFixedAmountParams{
			Amount:   stripe.Int64(o.Amount.minor),
			Currency: stripe.String(o.Amount.currency),
		},
	}
	estimate := &stripe.CheckoutSessionCreateShippingOptionShippingRateDataDeliveryEstimateParams{}
	if o.MinDays > 0 {
		estimate.Minimum = &stripe.CheckoutSessionCreateShippingOptionShippingRateDataDeliveryEstimateMinimumParams{
			Unit: stripe.String("business_day"), Value: stripe.Int64(o.MinDays),
		}
		data.DeliveryEstimate = estimate
	}
	if o.MaxDays > 0 {
		estimate.Maximum = &stripe.CheckoutSessionCreateShippingOptionShippingRateDataDeliveryEstimateMaximumParams{
			Unit: stripe.String("business_day"), Value: stripe.Int64(o.MaxDays),
		}
		data.DeliveryEstimate = estimate
	}
	return &stripe.CheckoutSessionCreateShippingOptionParams{ShippingRateData: data}
}

// addIntent adds the parameters that Stripe passes on to the payment intent, subscription or setup intent. Stripe takes only
// those of the session's mode.
func (s Session) addIntent(p *stripe.CheckoutSessionCreateParams) {
	c := s.Connect
	switch s.mode() {
	case ModePayment:
		data := &stripe.CheckoutSessionCreatePaymentIntentDataParams{
			Metadata:   maps.Clone(s.Metadata),
			OnBehalfOf: optionalString(c.OnBehalfOf),
		}
		if s.ManualCapture {
			data.CaptureMethod = stripe.String("manual")
		}
		if c.ApplicationFee != (Amount{}) {
			data.ApplicationFeeAmount = stripe.Int64(c.ApplicationFee.minor)
		}
		if c.Destination != "" {
			data.TransferData = &stripe.CheckoutSessionCreatePaymentIntentDataTransferDataParams{
				Destination: stripe.String(c.Destination),
			}
		}
		p.PaymentIntentData = data
	case ModeSubscription:
		data := &stripe.CheckoutSessionCreateSubscriptionDataParams{
			Metadata:   maps.Clone(s.Metadata),
			OnBehalfOf: optionalString(c.OnBehalfOf),
		}
		if c.Destination != "" {
			data.TransferData = &stripe.CheckoutSessionCreateSubscriptionDataTransferDataParams{
				Destination: stripe.String(c.Destination),
			}
		}
		if s.TrialDays > 0 {
			data.TrialPeriodDays = stripe.Int64(s.TrialDays)
		}
		p.SubscriptionData = data
	case ModeSetup:
		p.SetupIntentData = &stripe.CheckoutSessionCreateSetupIntentDataParams{
			Metadata:   maps.Clone(s.Metadata),
			OnBehalfOf: optionalString(c.OnBehalfOf),
		}
	}
}

// addMetadata adds metadata to the session, and to its payment intent, subscription or setup intent.
func (s Session) addMetadata(p *stripe.CheckoutSessionCreateParams, key, value string) {
	p.AddMetadata(key, value)
	switch s.mode() {
	case ModePayment:
		p.PaymentIntentData.AddMetadata(key, value)
	case ModeSubscription:
		p.SubscriptionData.AddMetadata(key, value)
	case ModeSetup:
		p.SetupIntentData.AddMetadata(key, value)
	}
}

// stringPointers returns pointers to copies of the values. With stripe.StringSlice alone, Session.Params could change the
// caller's slice.
func stringPointers(values []string) []*string {
	return stripe.StringSlice(slices.Clone(values))
}

// optionalString returns nil for an empty text, which stripe-go then leaves out.
func optionalString(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
