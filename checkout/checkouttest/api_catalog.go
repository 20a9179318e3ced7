package checkouttest

import (
	"slices"
)

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

// among is a condition: a field's value is one of those that the parameter lists.
func among(field string) condition {
	return func(o object, p *param) bool { return slices.Contains(p.strings(), o.str(field)) }
}

// recurs is the condition that a price recurs as the parameter says.
func recurs(o object, p *param) bool {
	r, _ := o["recurring"].(object)
	return r != nil && matches(r, p, "interval", "meter", "usage_type")
}
