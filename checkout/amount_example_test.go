package checkout_test

import (
	"errors"
	"fmt"

	"github.com/gofulfil/fulfil/checkout"
)

func ExampleParseAmount() {
	for _, price := range [][2]string{{"19.99", "usd"}, {"500", "jpy"}, {"5", "isk"}, {"5.12", "kwd"}} {
		a, err := checkout.ParseAmount(price[0], price[1])
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(a, a.Minor())
	}
	_, err := checkout.ParseAmount("19.999", "usd")
	fmt.Println(errors.Is(err, checkout.ErrAmountPrecision))
	// Output:
	// 19.99 USD 1999
	// 500 JPY 500
	// 5 ISK 500
	// 5.120 KWD 5120
	// true
}

func ExampleAmount() {
	subtotal, err := checkout.MustAmount("19.99", "usd").Mul(3)
	if err != nil {
		fmt.Println(err)
		return
	}
	total, err := subtotal.Add(checkout.MustAmount("4.90", "usd"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(total, total == checkout.MustAmount("64.87", "USD"))
	// Output: 64.87 USD true
}

func ExampleAmountOf() {
	a, err := checkout.AmountOf(1999, "usd") // as Stripe counts
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a, a.Decimal())

	_, err = checkout.AmountOf(150, "isk") // one and a half krónur
	fmt.Println(err)
	// Output:
	// 19.99 USD 19.99
	// checkout: amount in isk: finer than the currency can be charged in
}
