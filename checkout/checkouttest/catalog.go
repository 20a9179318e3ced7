package checkouttest

import (
	"math/big"
	"net/http"
	"slices"
	"strings"
)

// A Price is a price that sessions can name by its ID.
type Price struct {
	ID         string // default: made up
	Product    string // ID of its product; default: made up
	Name       string // of the product
	Currency   string // three lower-case letters
	UnitAmount int64  // minor units
	Interval   string // day, week, month or year: a recurring price; empty: a one-time price
}

// AddPrice adds a price and its product to the account, and returns the price's ID.
func (s *Server) AddPrice(p Price) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now().Unix()
	if p.Product == "" {
		p.Product = s.newID("prod_", 14)
	}
	platform := &session{}
	s.keep(platform, newProduct(p.Product, p.Name, nil, now))
	if p.ID == "" {
		p.ID = s.newID("price_", 24)
	}
	var recurring object
	if p.Interval != "" {
		recurring = newRecurring(p.Interval, 1)
	}
	s.keep(platform, newPrice(p.ID, p.Product, p.Currency, big.NewRat(p.UnitAmount, 1), recurring, true, now))
	return p.ID
}

// newPriceOf makes the price that parameters describe, and its product if they describe that, too. A price that is made for
// one line of a session is inactive: nobody else can name it.
// Neither is kept yet.
func (s *Server) newPriceOf(owner *session, data *param, active bool, now int64) (price, made object, _ *apiError) {
	currency, product, productData := strings.ToLower(data.get("currency").str()), data.get("product"), data.get("product_data")
	unit, err := unitAmount(data)
	switch {
	case currency == "":
		return nil, nil, missing(data.nameOf("currency"))
	case !slices.Contains(currencies, currency):
		return nil, nil, badCurrency(data.nameOf("currency"), currency)
	case product == nil && productData == nil:
		return nil, nil, missing(data.nameOf("product_data"))
	case product != nil && productData != nil:
		return nil, nil, onlyOneOf(data.name, "product", "product_data")
	case productData != nil && productData.get("name") == nil:
		return nil, nil, missing(data.nameOf("product_data") + "[name]")
	case product != nil && s.find(owner.account, "product", product.str()) == nil:
		return nil, nil, noSuch(http.StatusBadRequest, "product", product.str(), product.name)
	case err != nil:
		return nil, nil, err
	}
	recurring, err := recurringOf(data.get("recurring"))
	if err != nil {
		return nil, nil, err
	}
	if _, err := productData.get("metadata").metadata(); err != nil {
		return nil, nil, err
	}
	id := product.str()
	if id == "" {
		id = s.newID("prod_", 14)
		made = newProduct(id, productData.get("name").str(), productData, now)
	}
	if err := oneOf(data.get("tax_behavior"), "exclusive", "inclusive", "unspecified"); err != nil {
		return nil, nil, err
	}
	price = newPrice(s.newID("price_", 24), id, currency, unit, recurring, active, now)
	price.set(data, "tax_behavior")
	return price, made, nil
}

// unitAmount is the price of one, in minor units.
func unitAmount(data *param) (*big.Rat, *apiError) {
	amount, decimal := data.get("unit_amount"), data.get("unit_amount_decimal")
	switch {
	case amount == nil && decimal == nil:
		return nil, missing(data.nameOf("unit_amount"))
	case amount != nil && decimal != nil:
		return nil, onlyOneOf(data.name, "unit_amount", "unit_amount_decimal")
	case amount.int() < 0 || strings.HasPrefix(decimal.str(), "-"):
		return nil, invalid("parameter_invalid_integer", data.nameOf("unit_amount"), "This value must be greater than or equal to 0.")
	}
	unit := big.NewRat(amount.int(), 1)
	if decimal != nil {
		unit.SetString(decimal.str())
	}
	return unit, nil
}

// recurringOf is how often a price is due, or nil for a one-time price.
func recurringOf(r *param) (object, *apiError) {
	if r == nil {
		return nil, nil
	}
	if r.get("interval") == nil {
		return nil, missing(r.nameOf("interval"))
	}
	if err := oneOf(r.get("interval"), "day", "month", "week", "year"); err != nil {
		return nil, err
	}
	count := r.get("interval_count")
	if count != nil && (count.int() < 1 || count.int() > 1095) {
		return nil, invalid("parameter_invalid_integer", count.name, "Invalid interval_count: a price can recur at most every three years.")
	}
	return newRecurring(r.get("interval").str(), max(1, count.int())), nil
}

func newRecurring(interval string, count int64) object {
	return object{"interval": interval, "interval_count": count, "meter": nil, "trial_period_days": nil, "usage_type": "licensed"}
}

func newProduct(id, name string, data *param, now int64) object {
	meta, _ := data.get("metadata").metadata()
	return object{
		"id": id, "object": "product", "active": true, "created": now, "default_price": nil, "description": data.get("description").value(),
		"images": data.get("images").or([]any{}), "livemode": false, "marketing_features": []any{}, "metadata": meta, "name": name,
		"package_dimensions": nil, "shippable": nil, "statement_descriptor": nil, "tax_code": data.get("tax_code").value(), "type": "service",
		"unit_label": nil, "updated": now, "url": nil,
	}
}

func newPrice(id, product, currency string, unit *big.Rat, recurring object, active bool, now int64) object {
	o := object{
		"id": id, "object": "price", "active": active, "billing_scheme": "per_unit", "created": now, "currency": currency,
		"custom_unit_amount": nil, "livemode": false, "lookup_key": nil, "metadata": object{}, "nickname": nil, "product": product,
		"recurring": nil, "tax_behavior": "unspecified", "tiers_mode": nil, "transform_quantity": nil, "type": "one_time",
		"unit_amount": nil, "unit_amount_decimal": strings.TrimRight(strings.TrimRight(unit.FloatString(12), "0"), "."),
	}
	if unit.IsInt() {
		o["unit_amount"], o["unit_amount_decimal"] = unit.Num().Int64(), unit.Num().String()
	}
	if recurring != nil {
		o["recurring"], o["type"] = recurring, "recurring"
	}
	return o
}

// createProduct: https://docs.stripe.com/api/products/create
func (s *Server) createProduct(c *call) (object, *apiError) {
	p, now := c.params, s.Now().Unix()
	id := p.get("id").str()
	switch {
	case p.get("name") == nil:
		return nil, missing("name")
	case id == "":
		id = s.newID("prod_", 14)
	case s.objects[id] != nil:
		return nil, invalid("resource_already_exists", "id", "Product already exists.")
	}
	o := newProduct(id, p.get("name").str(), nil, now)
	if err := setProduct(o, p); err != nil {
		return nil, err
	}
	owner := &session{account: c.account}
	data := p.get("default_price_data")
	var price object
	if data != nil {
		unit, err := unitAmount(data)
		if err != nil {
			return nil, err
		}
		recurring, err := recurringOf(data.get("recurring"))
		if err != nil {
			return nil, err
		}
		currency := data.get("currency").str()
		if !slices.Contains(currencies, currency) {
			return nil, badCurrency(data.nameOf("currency"), currency)
		}
		price = newPrice(s.newID("price_", 24), id, currency, unit, recurring, true, now)
		price.set(data, "tax_behavior")
		if err := price.setMetadata(data); err != nil {
			return nil, err
		}
		o["default_price"] = price["id"]
		s.keep(owner, price)
	}
	s.keep(owner, o)
	s.report("product.created", o, nil, c)
	if price != nil {
		s.report("price.created", price, nil, c)
	}
	return o, nil
}

func (s *Server) updateProduct(c *call) (object, *apiError) {
	o, err := s.named(c, "product")
	if err != nil {
		return nil, err
	}
	if p := c.params.get("default_price"); p != nil {
		price, err := s.given(c, "price", p)
		if err == nil && price["product"] != o["id"] {
			err = invalid("", "default_price", "The price specified does not belong to this product.")
		}
		if err != nil {
			return nil, err
		}
	}
	return o, s.update(c, o, "product.updated", func(o object, p *param) *apiError {
		o["updated"] = s.Now().Unix()
		return setProduct(o, p)
	})
}

func setProduct(o object, p *param) *apiError {
	if err := p.only("active", "default_price", "default_price_data", "description", "expand", "id", "images", "metadata", "name",
		"shippable", "statement_descriptor", "tax_code", "type", "unit_label", "url"); err != nil {
		return err
	}
	if len(p.get("images").list()) > 8 {
		return invalid("", "images", "A product can have up to 8 images.")
	}
	o.set(p, "active", "default_price", "description", "images", "name", "shippable", "statement_descriptor", "tax_code", "type", "unit_label", "url")
	return o.setMetadata(p)
}

// createPrice: https://docs.stripe.com/api/prices/create
func (s *Server) createPrice(c *call) (object, *apiError) {
	owner := &session{account: c.account}
	price, product, err := s.newPriceOf(owner, c.params, true, s.Now().Unix())
	if err != nil {
		return nil, err
	}
	if err := s.setPrice(c.account)(price, c.params); err != nil {
		return nil, err
	}
	if product != nil {
		s.keep(owner, product)
		s.report("product.created", product, nil, c)
	}
	s.keep(owner, price)
	s.report("price.created", price, nil, c)
	return price, nil
}

func (s *Server) updatePrice(c *call) (object, *apiError) {
	o, err := s.named(c, "price")
	if err != nil {
		return nil, err
	}
	return o, s.update(c, o, "price.updated", s.setPrice(c.account))
}

func (s *Server) setPrice(account string) func(o object, p *param) *apiError {
	return func(o object, p *param) *apiError {
		if err := p.only("active", "billing_scheme", "currency", "expand", "lookup_key", "metadata", "nickname", "product", "product_data", "recurring",
			"tax_behavior", "transfer_lookup_key", "unit_amount", "unit_amount_decimal"); err != nil {
			return err
		}
		if err := oneOf(p.get("billing_scheme"), "per_unit"); err != nil {
			return err
		}
		if err := oneOf(p.get("tax_behavior"), "exclusive", "inclusive", "unspecified"); err != nil {
			return err
		}
		if err := o.setMetadata(p); err != nil {
			return err
		}
		if key := p.get("lookup_key"); key != nil {
			for _, other := range s.kinds["price"] {
				if other["lookup_key"] != key.str() || other["id"] == o["id"] || s.accountOf(other) != account {
					continue
				}
				if !p.get("transfer_lookup_key").bool() {
					return invalid("", "lookup_key", "A price (`%s`) already uses that lookup key.", other.str("id"))
				}
				other["lookup_key"] = nil
			}
		}
		o.set(p, "active", "lookup_key", "nickname", "tax_behavior")
		return nil
	}
}

// recurs is the condition that a price recurs as the parameter says.
func recurs(o object, p *param) bool {
	r, _ := o["recurring"].(object)
	return r != nil && matches(r, p, "interval", "meter", "usage_type")
}
