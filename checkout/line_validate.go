package checkout

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Limits on lines: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-line_items and
// https://docs.stripe.com/api/products/create#create_product-images. The bounds of SKU and quantity are this library's.
const (
	maxPaymentLines   = 100
	maxRecurringLines = 20
	maxOneTimeLines   = 20
	maxImages         = 8
	maxSKU            = 255
	maxQuantity       = 1_000_000_000
)

func (s Session) checkLines(p *sessionProblems) {
	if s.mode() == ModeSetup {
		p.require(len(s.Lines) == 0, "Lines", "are not allowed in setup mode")
		return
	}
	recurring, byPrice := 0, 0
	for i, l := range s.Lines {
		field := fmt.Sprintf("Lines[%d]", i)
		s.checkLine(p, field, l)
		switch {
		case l.Price != "":
			byPrice++
		case l.Recurring != (Recurring{}):
			recurring++
		}
	}
	oneTime := len(s.Lines) - recurring - byPrice
	switch {
	case len(s.Lines) == 0:
		p.add("Lines", "at least one is required")
	case s.mode() == ModePayment:
		p.require(len(s.Lines) <= maxPaymentLines, "Lines", "must be at most 100")
	case s.mode() == ModeSubscription:
		// What a Price is, only Stripe knows: it counts for neither kind, but for the sum.
		p.require(recurring <= maxRecurringLines, "Lines", "must be at most 20 recurring ones")
		p.require(oneTime <= maxOneTimeLines, "Lines", "must be at most 20 one-time ones")
		p.require(len(s.Lines) <= maxRecurringLines+maxOneTimeLines, "Lines", "must be at most 40")
		p.require(recurring+byPrice > 0, "Lines", "at least one must recur in subscription mode")
	}
	s.checkTotal(p)
}

func (s Session) checkLine(p *sessionProblems, field string, l Line) {
	p.require(len(l.SKU) <= maxSKU && l.SKU == strings.TrimSpace(l.SKU) && utf8.ValidString(l.SKU),
		field+".SKU", "must be at most 255 bytes of text without spaces around it")
	p.require(l.Quantity >= 1 && l.Quantity <= maxQuantity, field+".Quantity", "must be between 1 and 1000000000")
	s.checkRecurring(p, field+".Recurring", l)
	if l.Price != "" {
		p.require(isReference(l.Price, "prod_"), field+".Price", "must be the ID of a price, price_…")
		p.require(l.UnitAmount == Amount{}, field+".UnitAmount", "is not allowed together with Price")
		p.require(l.Product == "", field+".Product", "is not allowed together with Price")
	} else {
		s.checkMoney(p, field+".UnitAmount", l.UnitAmount)
		p.require(l.Product == "" || isReference(l.Product, "price_"), field+".Product", "must be the ID of a product, prod_…")
		p.require(l.Product != "" || strings.TrimSpace(l.Name) != "", field+".Name", "is required without Price and Product")
	}
	if l.Price != "" || l.Product != "" {
		p.require(l.Description == "", field+".Description", "is not allowed together with Price or Product")
		p.require(len(l.Images) == 0, field+".Images", "are not allowed together with Price or Product")
	}
	p.require(len(l.Images) <= maxImages, field+".Images", "must be at most 8")
	for i, image := range l.Images {
		u, err := url.Parse(image)
		p.require(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "",
			fmt.Sprintf("%s.Images[%d]", field, i), "must be an absolute http or https URL")
	}
}

func (s Session) checkRecurring(p *sessionProblems, field string, l Line) {
	r := l.Recurring
	if r == (Recurring{}) {
		return
	}
	p.require(s.mode() == ModeSubscription, field, "is allowed in subscription mode only")
	p.require(l.Price == "", field, "is not allowed together with Price")
	// A period is at most three years: https://docs.stripe.com/api/prices/create#create_price-recurring-interval_count.
	longest := map[Interval]int64{IntervalDay: 3 * 365, IntervalWeek: 156, IntervalMonth: 36, IntervalYear: 3}[r.Interval]
	if longest == 0 {
		p.add(field+".Interval", "must be day, week, month or year")
		return
	}
	p.require(r.Count >= 0 && r.Count <= longest, field+".Count", "must make a period of at most three years")
}

// checkTotal adds up the inline lines. There is no lower limit: an order can cost nothing
// (https://docs.stripe.com/payments/checkout/no-cost-orders), a promotion code changes the sum, and the least that can
// be charged depends on the currency the account is paid out in.
func (s Session) checkTotal(p *sessionProblems) {
	rule, known := currencyRuleOf(s.currency())
	total := Amount{currency: s.currency()}
	for _, l := range s.Lines {
		if l.UnitAmount.currency != total.currency || l.UnitAmount.minor < 0 || l.Quantity < 1 {
			continue // reported with its line
		}
		sum, err := l.UnitAmount.Mul(l.Quantity)
		if err == nil {
			total, err = total.Add(sum)
		}
		if err != nil {
			p.add("Lines", "the total does not fit into an amount")
			return
		}
	}
	p.require(!known || total.minor <= rule.max, "Lines", "the total is more than Stripe takes in "+s.currency())
}

// isReference reports whether id can name a price or product. Both may be of the merchant's own making (plans and
// products used to be), so that only the usual mix-up is told by its prefix.
func isReference(id, mixedUp string) bool {
	return isStripeID(id, "") && !strings.HasPrefix(id, mixedUp)
}
