package checkouttest

import (
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// A Price is a price that sessions can name by its ID.
type Price struct {
	ID         string // Default: a random one.
	Product    string // the ID of its product. Default: a random one.
	Name       string // of the product
	Currency   string // three lower-case letters
	UnitAmount int64  // minor units
	Interval   string // of a recurring price: day, week, month or year; empty: a one-time price
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

// newPriceOf makes the price that parameters describe. If they also describe its product, it makes the product. It stores
// neither. A price for one line of a session is inactive, so that no other session can name it.
func (s *Server) newPriceOf(owner *session, data *formparams.Param, active bool, now int64) (price, made object, _ *apiError) {
	currency, product, productData := strings.ToLower(data.Get("currency").String()), data.Get("product"), data.Get("product_data")
	unit, err := unitAmount(data)
	switch {
	case currency == "":
		return nil, nil, missing(data.NameOf("currency"))
	case !slices.Contains(currencies, currency):
		return nil, nil, badCurrency(data.NameOf("currency"), currency)
	case product == nil && productData == nil:
		return nil, nil, missing(data.NameOf("product_data"))
	case product != nil && productData != nil:
		return nil, nil, onlyOneOf(data.Name, "product", "product_data")
	case productData != nil && productData.Get("name") == nil:
		return nil, nil, missing(data.NameOf("product_data") + "[name]")
	case product != nil && s.find(owner.account, "product", product.String()) == nil:
		return nil, nil, noSuch(http.StatusBadRequest, "product", product.String(), product.Name)
	case err != nil:
		return nil, nil, err
	}
	recurring, err := recurringOf(data.Get("recurring"))
	if err != nil {
		return nil, nil, err
	}
	if _, err := metadataOf(productData.Get("metadata")); err != nil {
		return nil, nil, err
	}
	id := product.String()
	if id == "" {
		id = s.newID("prod_", 14)
		made = newProduct(id, productData.Get("name").String(), productData, now)
	}
	if err := oneOf(data.Get("tax_behavior"), "exclusive", "inclusive", "unspecified"); err != nil {
		return nil, nil, err
	}
	price = newPrice(s.newID("price_", 24), id, currency, unit, recurring, active, now)
	price.set(data, "tax_behavior")
	return price, made, nil
}

// unitAmount returns the price of one piece, in minor units.
func unitAmount(data *formparams.Param) (*big.Rat, *apiError) {
	amount, decimal := data.Get("unit_amount"), data.Get("unit_amount_decimal")
	switch {
	case amount == nil && decimal == nil:
		return nil, missing(data.NameOf("unit_amount"))
	case amount != nil && decimal != nil:
		return nil, onlyOneOf(data.Name, "unit_amount", "unit_amount_decimal")
	case amount.Int() < 0 || strings.HasPrefix(decimal.String(), "-"):
		return nil, invalid("parameter_invalid_integer", data.NameOf("unit_amount"), "This value must be greater than or equal to 0.")
	}
	unit := big.NewRat(amount.Int(), 1)
	if decimal != nil {
		unit.SetString(decimal.String())
	}
	return unit, nil
}

// recurringOf returns how often a price recurs, or nil for a one-time price.
func recurringOf(r *formparams.Param) (object, *apiError) {
	if r == nil {
		return nil, nil
	}
	if r.Get("interval") == nil {
		return nil, missing(r.NameOf("interval"))
	}
	if err := oneOf(r.Get("interval"), "day", "month", "week", "year"); err != nil {
		return nil, err
	}
	count := r.Get("interval_count")
	if count != nil && (count.Int() < 1 || count.Int() > 1095) {
		return nil, invalid("parameter_invalid_integer", count.Name, "Invalid interval_count: a price can recur at most every three years.")
	}
	return newRecurring(r.Get("interval").String(), max(1, count.Int())), nil
}

func newRecurring(interval string, count int64) object {
	return object{"interval": interval, "interval_count": count, "meter": nil, "trial_period_days": nil, "usage_type": "licensed"}
}

func newProduct(id, name string, data *formparams.Param, now int64) object {
	meta, _ := metadataOf(data.Get("metadata"))
	return object{
		"id": id, "object": "product", "active": true, "created": now, "default_price": nil, "description": value(data.Get("description")),
		"images": valueOr(data.Get("images"), []any{}), "livemode": false, "marketing_features": []any{}, "metadata": meta, "name": name,
		"package_dimensions": nil, "shippable": nil, "statement_descriptor": nil, "tax_code": value(data.Get("tax_code")), "type": "service",
		"unit_label": nil, "updated": now, "url": nil,
	}
}

func newPrice(id, product, currency string, unit *big.Rat, recurring object, active bool, now int64) object {
	o := object{
		"id": id, "object": "price", "active": active, "billing_scheme": "per_unit", "created": now, "currency": currency,
		"custom_unit_amount": nil, "livemode": false, "lookup_key": nil, "metadata": object{}, "nickname": nil, "product": product,
		"recurring": nil, "tax_behavior": "unspecified", "tiers_mode": nil, "transform_quantity": nil, "type": "one_time",
	}
	o["unit_amount"], o["unit_amount_decimal"] = unitFields(unit)
	if recurring != nil {
		o["recurring"], o["type"] = recurring, "recurring"
	}
	return o
}

// unitFields shows the price of one piece in the two fields that the API has for it. The first is null for a fraction.
func unitFields(unit *big.Rat) (amount any, decimal string) {
	if unit.IsInt() {
		return unit.Num().Int64(), unit.Num().String()
	}
	return nil, strings.TrimRight(strings.TrimRight(unit.FloatString(12), "0"), ".")
}

// createProduct: https://docs.stripe.com/api/products/create
func (s *Server) createProduct(c *call) (object, *apiError) {
	p, now := c.params, s.Now().Unix()
	id := p.Get("id").String()
	switch {
	case p.Get("name") == nil:
		return nil, missing("name")
	case id == "":
		id = s.newID("prod_", 14)
	case s.objects[id] != nil:
		return nil, invalid("resource_already_exists", "id", "Product already exists.")
	}
	o := newProduct(id, p.Get("name").String(), nil, now)
	if err := setProduct(o, p); err != nil {
		return nil, err
	}
	owner := &session{account: c.account}
	data := p.Get("default_price_data")
	var price object
	if data != nil {
		unit, err := unitAmount(data)
		if err != nil {
			return nil, err
		}
		recurring, err := recurringOf(data.Get("recurring"))
		if err != nil {
			return nil, err
		}
		currency := data.Get("currency").String()
		if !slices.Contains(currencies, currency) {
			return nil, badCurrency(data.NameOf("currency"), currency)
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
	s.emitChange("product.created", o, nil, c)
	if price != nil {
		s.emitChange("price.created", price, nil, c)
	}
	return o, nil
}

// deleteProduct deletes a product that has no prices: https://docs.stripe.com/api/products/delete
func (s *Server) deleteProduct(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "product")
	if err != nil {
		return nil, err
	}
	for _, price := range s.byKind["price"] {
		if price["product"] == o["id"] {
			return nil, invalid("", "", "This product cannot be deleted because it has one or more user-created prices.")
		}
	}
	s.emitChange("product.deleted", o, nil, c)
	return s.remove(o), nil
}

func (s *Server) updateProduct(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "product")
	if err != nil {
		return nil, err
	}
	if p := c.params.Get("default_price"); p != nil {
		price, err := s.objectInParam(c, "price", p)
		if err == nil && price["product"] != o["id"] {
			err = invalid("", "default_price", "The price specified does not belong to this product.")
		}
		if err != nil {
			return nil, err
		}
	}
	return o, s.update(c, o, "product.updated", func(o object, p *formparams.Param) *apiError {
		o["updated"] = s.Now().Unix()
		return setProduct(o, p)
	})
}

func setProduct(o object, p *formparams.Param) *apiError {
	if err := only(p, "active", "default_price", "default_price_data", "description", "expand", "id", "images", "metadata", "name",
		"shippable", "statement_descriptor", "tax_code", "type", "unit_label", "url"); err != nil {
		return err
	}
	if len(p.Get("images").List()) > 8 {
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
	if err := s.setPrice(c.account, price, c.params); err != nil {
		return nil, err
	}
	if product != nil {
		s.keep(owner, product)
		s.emitChange("product.created", product, nil, c)
	}
	s.keep(owner, price)
	s.emitChange("price.created", price, nil, c)
	return price, nil
}

func (s *Server) updatePrice(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "price")
	if err != nil {
		return nil, err
	}
	return o, s.update(c, o, "price.updated", func(o object, p *formparams.Param) *apiError { return s.setPrice(c.account, o, p) })
}

// setPrice copies the parameters that were sent into a price.
func (s *Server) setPrice(account string, o object, p *formparams.Param) *apiError {
	if err := only(p, "active", "billing_scheme", "currency", "expand", "lookup_key", "metadata", "nickname", "product", "product_data", "recurring",
		"tax_behavior", "transfer_lookup_key", "unit_amount", "unit_amount_decimal"); err != nil {
		return err
	}
	if err := oneOf(p.Get("billing_scheme"), "per_unit"); err != nil {
		return err
	}
	if err := oneOf(p.Get("tax_behavior"), "exclusive", "inclusive", "unspecified"); err != nil {
		return err
	}
	if err := o.setMetadata(p); err != nil {
		return err
	}
	if key := p.Get("lookup_key"); key != nil {
		for _, other := range s.byKind["price"] {
			if other["lookup_key"] != key.String() || other["id"] == o["id"] || s.accountOf(other) != account {
				continue
			}
			if !p.Get("transfer_lookup_key").Bool() {
				return invalid("", "lookup_key", "A price (`%s`) already uses that lookup key.", other.str("id"))
			}
			other["lookup_key"] = nil
		}
	}
	o.set(p, "active", "lookup_key", "nickname", "tax_behavior")
	return nil
}

// recurs is the condition that a price recurs as the parameter says.
func recurs(o object, p *formparams.Param) bool {
	r, _ := o["recurring"].(object)
	return r != nil && matches(r, p, "interval", "meter", "usage_type")
}
