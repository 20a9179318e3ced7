package checkout

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
