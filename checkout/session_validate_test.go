package checkout

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// sessionFields are the fields an error names, in order.
func sessionFields(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var invalid *InvalidSessionError
	require.ErrorAs(t, err, &invalid)
	require.NotEmpty(t, invalid.Problems)
	var fields []string
	for _, p := range invalid.Problems {
		require.NotEmpty(t, p.Message)
		require.Contains(t, err.Error(), p.Field+": "+p.Message)
		fields = append(fields, p.Field)
	}
	return fields
}

// repeatLines returns n copies of a line.
func repeatLines(l Line, n int) []Line { return slices.Repeat([]Line{l}, n) }

// Each case changes a valid session. The error names the fields, in order; without fields the session stays valid.
func TestValidate(t *testing.T) {
	t.Parallel()
	usd := func(decimal string) Amount { return MustAmount(decimal, "usd") }
	line := teeSession().Lines[0]
	monthly := monthlySession().Lines[0]
	metadata := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint("k", i)] = "v"
		}
		return m
	}
	for _, c := range []struct {
		name   string
		base   func() Session
		change func(*Session)
		fields []string
	}{
		{"payment", teeSession, func(*Session) {}, nil},
		{"subscription", monthlySession, func(*Session) {}, nil},
		{"setup", setupSession, func(*Session) {}, nil},
		{"everything", everythingSession, func(*Session) {}, nil},

		{"no order ID", teeSession, func(s *Session) { s.OrderID = "" }, []string{"OrderID"}},
		{"200 characters", teeSession, func(s *Session) { s.OrderID = strings.Repeat("x", 200) }, nil},
		{"201 characters", teeSession, func(s *Session) { s.OrderID = strings.Repeat("x", 201) }, []string{"OrderID"}},
		{"space in order ID", teeSession, func(s *Session) { s.OrderID = "a b" }, []string{"OrderID"}},
		{"letter beyond ASCII", teeSession, func(s *Session) { s.OrderID = "ä" }, []string{"OrderID"}},
		{"unknown mode", teeSession, func(s *Session) { s.Mode = "Payment" }, []string{"Mode"}},

		{"currency in capitals", teeSession, func(s *Session) { s.Currency = "USD" }, nil},
		{"currency of another line", teeSession, func(s *Session) { s.Currency = "eur" }, []string{"Lines[0].UnitAmount"}},
		{"unknown currency", setupSession, func(s *Session) { s.Currency = "xxx" }, []string{"Currency"}},
		{"setup without currency", setupSession, func(s *Session) { s.Currency = "" }, []string{"Currency"}},
		{"setup with types", setupSession, func(s *Session) { s.Currency, s.PaymentMethodTypes = "", []string{"card"} }, nil},
		{"price without currency", teeSession, func(s *Session) { s.Lines = []Line{{Price: "price_1", Quantity: 1}} }, []string{"Currency"}},
		{"price with currency", teeSession, func(s *Session) { s.Currency, s.Lines = "usd", []Line{{Price: "price_1", Quantity: 1}} }, nil},
		{"two currencies", teeSession, func(s *Session) {
			s.Lines = append(s.Lines, Line{Name: "x", UnitAmount: MustAmount("1", "eur"), Quantity: 1})
		}, []string{"Lines[1].UnitAmount"}},

		{"no lines", teeSession, func(s *Session) { s.Lines = nil }, []string{"Lines"}},
		{"lines in setup", setupSession, func(s *Session) { s.Lines = []Line{line} }, []string{"Lines"}},
		{"100 lines", teeSession, func(s *Session) { s.Lines = repeatLines(line, 100) }, nil},
		{"101 lines", teeSession, func(s *Session) { s.Lines = repeatLines(line, 101) }, []string{"Lines"}},
		{"20 and 20 lines", monthlySession, func(s *Session) {
			s.Lines = append(repeatLines(monthly, 20), repeatLines(s.Lines[1], 20)...)
		}, nil},
		{"21 recurring", monthlySession, func(s *Session) { s.Lines = repeatLines(monthly, 21) }, []string{"Lines"}},
		{"21 one-time", monthlySession, func(s *Session) {
			s.Lines = append(repeatLines(s.Lines[1], 21), monthly)
		}, []string{"Lines"}},
		{"40 prices", monthlySession, func(s *Session) { s.Currency, s.Lines = "eur", repeatLines(Line{Price: "p", Quantity: 1}, 40) }, nil},
		{"41 prices", monthlySession, func(s *Session) { s.Currency, s.Lines = "eur", repeatLines(Line{Price: "p", Quantity: 1}, 41) },
			[]string{"Lines"}},
		{"nothing recurs", monthlySession, func(s *Session) { s.Lines = s.Lines[1:] }, []string{"Lines"}},

		{"SKU with space", teeSession, func(s *Session) { s.Lines[0].SKU = "tee " }, []string{"Lines[0].SKU"}},
		{"long SKU", teeSession, func(s *Session) { s.Lines[0].SKU = strings.Repeat("s", 256) }, []string{"Lines[0].SKU"}},
		{"SKU that is no text", teeSession, func(s *Session) { s.Lines[0].SKU = "\xff" }, []string{"Lines[0].SKU"}},
		{"no quantity", teeSession, func(s *Session) { s.Lines[0].Quantity = 0 }, []string{"Lines[0].Quantity"}},
		{"negative quantity", teeSession, func(s *Session) { s.Lines[0].Quantity = -1 }, []string{"Lines[0].Quantity"}},
		{"absurd quantity", teeSession, func(s *Session) { s.Lines[0].Quantity, s.Lines[0].UnitAmount = 1_000_000_001, usd("0") },
			[]string{"Lines[0].Quantity"}},
		{"no amount", teeSession, func(s *Session) { s.Lines[0].UnitAmount = Amount{} }, []string{"Lines[0].UnitAmount"}},
		{"free", teeSession, func(s *Session) { s.Lines[0].UnitAmount = usd("0") }, nil},
		{"negative amount", teeSession, func(s *Session) { s.Lines[0].UnitAmount = usd("-1") }, []string{"Lines[0].UnitAmount"}},
		{"most of all", teeSession, func(s *Session) { s.Lines[0].UnitAmount, s.Lines[0].Quantity = usd("999999.99"), 1 }, nil},
		{"one cent more", teeSession, func(s *Session) { s.Lines[0].UnitAmount, s.Lines[0].Quantity = usd("1000000"), 1 },
			[]string{"Lines[0].UnitAmount", "Lines"}},
		{"total too large", teeSession, func(s *Session) { s.Lines[0].UnitAmount = usd("500000") }, []string{"Lines"}},
		{"total beyond 63 bits", teeSession, func(s *Session) {
			s.Lines[0].UnitAmount, s.Lines[0].Quantity = MustAmount("99999999999", "usd"), 1_000_000_000
		}, []string{"Lines[0].UnitAmount", "Lines"}},
		{"twelve digits of rupiah", teeSession, func(s *Session) {
			s.Lines[0].UnitAmount, s.Lines[0].Quantity = MustAmount("9999999999.99", "idr"), 1
		}, nil},
		{"no name", teeSession, func(s *Session) { s.Lines[0].Name = " " }, []string{"Lines[0].Name"}},
		{"product in place of name", teeSession, func(s *Session) { s.Lines[0].Name, s.Lines[0].Product = "", "prod_1" }, nil},
		{"price as product", teeSession, func(s *Session) { s.Lines[0].Product = "price_1" }, []string{"Lines[0].Product"}},
		{"product as price", teeSession, func(s *Session) { s.Currency, s.Lines[0] = "usd", Line{Price: "prod_1", Quantity: 1} },
			[]string{"Lines[0].Price"}},
		{"price and inline", teeSession, func(s *Session) {
			s.Currency = "usd"
			l := &s.Lines[0]
			l.Price, l.Product, l.Description, l.Images = "price_1", "prod_1", "d", []string{"https://a.example/b"}
			l.Recurring = Recurring{Interval: IntervalDay}
		}, []string{"Lines[0].Recurring", "Lines[0].Recurring", "Lines[0].UnitAmount", "Lines[0].Product", "Lines[0].Description",
			"Lines[0].Images"}},
		{"9 images", teeSession, func(s *Session) { s.Lines[0].Images = slices.Repeat([]string{"https://a.example/b"}, 9) },
			[]string{"Lines[0].Images"}},
		{"relative image", teeSession, func(s *Session) { s.Lines[0].Images = []string{"https://a.example/b", "/b"} },
			[]string{"Lines[0].Images[1]"}},
		{"recurring payment", teeSession, func(s *Session) { s.Lines[0].Recurring.Interval = IntervalMonth }, []string{"Lines[0].Recurring"}},
		{"no interval", monthlySession, func(s *Session) { s.Lines[0].Recurring = Recurring{Count: 2} },
			[]string{"Lines[0].Recurring.Interval"}},
		{"three years", monthlySession, func(s *Session) { s.Lines[0].Recurring.Count = 36 }, nil},
		{"more than three years", monthlySession, func(s *Session) { s.Lines[0].Recurring.Count = 37 },
			[]string{"Lines[0].Recurring.Count"}},
		{"negative count", monthlySession, func(s *Session) { s.Lines[0].Recurring.Count = -1 }, []string{"Lines[0].Recurring.Count"}},

		{"unknown UI", teeSession, func(s *Session) { s.UIMode = "custom" }, []string{"UIMode"}},
		{"no success URL", teeSession, func(s *Session) { s.SuccessURL = "" }, []string{"SuccessURL"}},
		{"no cancel URL", teeSession, func(s *Session) { s.CancelURL = "" }, nil},
		{"hosted with return URL", teeSession, func(s *Session) { s.ReturnURL = "https://a.example" }, []string{"ReturnURL"}},
		{"embedded with hosted URLs", teeSession, func(s *Session) { s.UIMode = UIModeEmbedded },
			[]string{"SuccessURL", "CancelURL", "ReturnURL"}},
		{"relative URL", teeSession, func(s *Session) { s.SuccessURL = "/thanks" }, []string{"SuccessURL"}},
		{"no scheme", teeSession, func(s *Session) { s.SuccessURL = "shop.example/thanks" }, []string{"SuccessURL"}},
		{"no host", teeSession, func(s *Session) { s.SuccessURL = "https:///thanks" }, []string{"SuccessURL"}},
		{"other scheme", teeSession, func(s *Session) { s.SuccessURL = "javascript://shop.example/" }, []string{"SuccessURL"}},
		{"broken URL", teeSession, func(s *Session) { s.SuccessURL = "https://shop.example:x/" }, []string{"SuccessURL"}},
		{"plain http", teeSession, func(s *Session) { s.SuccessURL = "http://shop.example/" }, []string{"SuccessURL"}},
		{"http on localhost", teeSession, func(s *Session) { s.SuccessURL = "http://localhost:4242/thanks" }, nil},
		{"http on loopback", teeSession, func(s *Session) { s.SuccessURL = "http://127.8.9.1/thanks" }, nil},
		{"http on IPv6 loopback", teeSession, func(s *Session) { s.SuccessURL = "http://[::1]:80/thanks" }, nil},
		{"http on look-alike", teeSession, func(s *Session) { s.SuccessURL = "http://localhost.shop.example/" }, []string{"SuccessURL"}},
		{"http on private", teeSession, func(s *Session) { s.SuccessURL = "http://192.168.1.1/" }, []string{"SuccessURL"}},
		{"password in URL", teeSession, func(s *Session) { s.CancelURL = "https://a:secret@shop.example/" }, []string{"CancelURL"}},

		{"negative hold", teeSession, func(s *Session) { s.HoldFor = -1 }, []string{"HoldFor"}},
		{"longest hold", teeSession, func(s *Session) { s.HoldFor = 24*time.Hour - time.Minute }, nil},
		{"a whole day", teeSession, func(s *Session) { s.HoldFor = 24 * time.Hour }, []string{"HoldFor"}},

		{"customer", teeSession, func(s *Session) { s.Customer = "cus_1" }, nil},
		{"own customer ID", teeSession, func(s *Session) { s.Customer = "17" }, []string{"Customer"}},
		{"customer and e-mail", teeSession, func(s *Session) { s.Customer, s.CustomerEmail = "cus_1", "a@b.example" }, []string{"CustomerEmail"}},
		{"no e-mail", teeSession, func(s *Session) { s.CustomerEmail = "jenny" }, []string{"CustomerEmail"}},
		{"e-mail with name", teeSession, func(s *Session) { s.CustomerEmail = "Jenny <jenny@b.example>" }, []string{"CustomerEmail"}},
		{"locale", teeSession, func(s *Session) { s.Locale = "es-419" }, nil},
		{"automatic locale", teeSession, func(s *Session) { s.Locale = "auto" }, nil},
		{"underscore in locale", teeSession, func(s *Session) { s.Locale = "en_US" }, []string{"Locale"}},
		{"header as locale", teeSession, func(s *Session) { s.Locale = "de-DE,de;q=0.9" }, []string{"Locale"}},

		{"setup with payment's fields", setupSession, func(s *Session) {
			s.ManualCapture, s.AllowPromotionCodes, s.AutomaticTax = true, true, true
			s.Shipping.Countries = []string{"DE"}
			s.Connect = Connect{Account: "acct_1", Destination: "acct_1", ApplicationFee: MustAmount("1", "eur")}
		}, []string{"ManualCapture", "AllowPromotionCodes", "AutomaticTax", "Shipping", "Connect.Destination", "Connect.ApplicationFee"}},
		{"subscription with manual capture and fee", monthlySession, func(s *Session) {
			s.ManualCapture = true
			s.Connect = Connect{Account: "acct_1", ApplicationFee: MustAmount("1", "eur")}
		}, []string{"ManualCapture", "Connect.ApplicationFee"}},

		{"small country", teeSession, func(s *Session) { s.Shipping.Countries = []string{"DE", "at", "D1", "DEU"} },
			[]string{"Shipping.Countries[1]", "Shipping.Countries[2]", "Shipping.Countries[3]"}},
		{"country twice", teeSession, func(s *Session) { s.Shipping.Countries = []string{"DE", "AT", "DE"} }, []string{"Shipping.Countries[2]"}},
		{"5 options", teeSession, func(s *Session) { s.Shipping.Options = slices.Repeat([]ShippingOption{{Rate: "shr_1"}}, 5) }, nil},
		{"6 options", teeSession, func(s *Session) { s.Shipping.Options = slices.Repeat([]ShippingOption{{Rate: "shr_1"}}, 6) },
			[]string{"Shipping.Options"}},
		{"rate and amount", teeSession, func(s *Session) { s.Shipping.Options = []ShippingOption{{Rate: "shr_1", Amount: usd("1")}} },
			[]string{"Shipping.Options[0]"}},
		{"no rate", teeSession, func(s *Session) { s.Shipping.Options = []ShippingOption{{Rate: "rate"}} }, []string{"Shipping.Options[0].Rate"}},
		{"empty option", teeSession, func(s *Session) { s.Shipping.Options = []ShippingOption{{}} },
			[]string{"Shipping.Options[0].Name", "Shipping.Options[0].Amount"}},
		{"option in other currency", teeSession, func(s *Session) {
			s.Shipping.Options = []ShippingOption{{Name: "Post", Amount: MustAmount("1", "eur"), MinDays: 3, MaxDays: 2}}
		}, []string{"Shipping.Options[0].Amount", "Shipping.Options[0].MinDays"}},
		{"negative days", teeSession, func(s *Session) {
			s.Shipping.Options = []ShippingOption{{Name: "Post", Amount: usd("1"), MinDays: -3, MaxDays: -2}}
		}, []string{"Shipping.Options[0].MinDays", "Shipping.Options[0].MaxDays"}},

		{"payment method types", teeSession, func(s *Session) { s.PaymentMethodTypes = []string{"card", "", "Card", "card"} },
			[]string{"PaymentMethodTypes[1]", "PaymentMethodTypes[2]", "PaymentMethodTypes[3]"}},

		{"no accounts", teeSession, func(s *Session) { s.Connect = Connect{Account: "a", Destination: "acct_", OnBehalfOf: "acct_ 1"} },
			[]string{"Connect.Account", "Connect.Destination", "Connect.OnBehalfOf"}},
		{"fee of nobody", teeSession, func(s *Session) { s.Connect.ApplicationFee = usd("1") }, []string{"Connect.ApplicationFee"}},
		{"fee in other currency", teeSession, func(s *Session) {
			s.Connect = Connect{Account: "acct_1", ApplicationFee: MustAmount("1", "eur")}
		}, []string{"Connect.ApplicationFee"}},

		{"47 keys", teeSession, func(s *Session) { s.Metadata = metadata(47) }, nil},
		{"48 keys", teeSession, func(s *Session) { s.Metadata = metadata(48) }, []string{"Metadata"}},
		{"limits of metadata", teeSession, func(s *Session) {
			s.Metadata = map[string]string{strings.Repeat("ä", 40): strings.Repeat("漢", 500)}
		}, nil},
		{"beyond the limits", teeSession, func(s *Session) {
			s.Metadata = map[string]string{"": "", strings.Repeat("k", 41): "", "v": strings.Repeat("v", 501), "a[b": "", "a]b": "", "fulfil_x": ""}
		}, []string{`Metadata[""]`, `Metadata["a[b"]`, `Metadata["a]b"]`, `Metadata["fulfil_x"]`,
			`Metadata["kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"]`, `Metadata["v"]`}},

		{"countries Stripe does not ship to", teeSession, func(s *Session) { s.Shipping.Countries = []string{"GB", "UK", "XX", "KP"} },
			[]string{"Shipping.Countries[1]", "Shipping.Countries[2]", "Shipping.Countries[3]"}},
		{"shipping options of a subscription", monthlySession, func(s *Session) {
			s.Shipping = Shipping{Countries: []string{"DE"}, Options: []ShippingOption{{Name: "Post", Amount: MustAmount("1", "eur")}}}
		}, []string{"Shipping.Options"}},
		{"address of a subscription", monthlySession, func(s *Session) { s.Shipping.Countries = []string{"DE"} }, nil},
		{"two periods", monthlySession, func(s *Session) {
			s.Lines[1].Recurring = Recurring{Interval: IntervalMonth, Count: 3}
		}, []string{"Lines[1].Recurring"}},
		{"one period said in two ways", monthlySession, func(s *Session) {
			s.Lines[1].Recurring = Recurring{Interval: IntervalMonth, Count: 1}
		}, nil},

		{"variable", teeSession, func(s *Session) { s.Lines[0].SKU, s.Variable = "", true }, nil},
		{"variable with a SKU", teeSession, func(s *Session) { s.Variable = true }, []string{"Variable"}},
		{"variable setup", setupSession, func(s *Session) { s.Variable = true }, []string{"Variable"}},

		{"parameters of more than a megabyte", teeSession, func(s *Session) {
			s.Lines[0].Description = strings.Repeat("\u6f22", 30_000)
			s.Lines = repeatLines(s.Lines[0], 5)
		}, []string{"Lines"}},

		{"everything wrong is listed", func() Session { return Session{} }, func(s *Session) {
			s.Lines = []Line{{}}
			s.HoldFor = -1
		}, []string{"OrderID", "Lines[0].Quantity", "Lines[0].UnitAmount", "Lines[0].Name", "SuccessURL", "HoldFor"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.base()
			c.change(&s)
			p, err := s.CreateParams(sessionTestNow)
			require.Equal(t, c.fields, sessionFields(t, err), "%v", err)
			require.Equal(t, c.fields == nil, p != nil)
		})
	}
}

// textFields are all texts of a session, with the most characters that Stripe takes. The number is 0 for fields whose
// characters or length are limited in another way.
var textFields = []struct {
	name string
	most int
	set  func(s *Session, text string)
}{
	{"OrderID", 0, func(s *Session, text string) { s.OrderID = text }},
	{"Mode", 0, func(s *Session, text string) { s.Mode = Mode(text) }},
	{"Currency", 0, func(s *Session, text string) { s.Currency = text }},
	{"UIMode", 0, func(s *Session, text string) { s.UIMode = UIMode(text) }},
	{"SuccessURL", 5000, func(s *Session, text string) { s.SuccessURL = text }},
	{"CancelURL", 5000, func(s *Session, text string) { s.CancelURL = text }},
	{"ReturnURL", 5000, func(s *Session, text string) {
		s.UIMode, s.SuccessURL, s.CancelURL, s.ReturnURL = UIModeEmbedded, "", "", text
	}},
	{"Customer", 0, func(s *Session, text string) { s.Customer = text }},
	{"CustomerEmail", 0, func(s *Session, text string) { s.CustomerEmail = text }},
	{"Locale", 0, func(s *Session, text string) { s.Locale = text }},
	{"PaymentMethodTypes[0]", 0, func(s *Session, text string) { s.PaymentMethodTypes = []string{text} }},
	{"Shipping.Countries[0]", 0, func(s *Session, text string) { s.Shipping.Countries = []string{text} }},
	{"Shipping.Options[0].Rate", 0, func(s *Session, text string) { s.Shipping.Options = []ShippingOption{{Rate: text}} }},
	{"Shipping.Options[0].Name", 100, func(s *Session, text string) {
		s.Shipping.Options = []ShippingOption{{Name: text, Amount: MustAmount("1", "usd")}}
	}},
	{"Connect.Account", 0, func(s *Session, text string) { s.Connect.Account = text }},
	{"Connect.Destination", 0, func(s *Session, text string) { s.Connect.Destination = text }},
	{"Connect.OnBehalfOf", 0, func(s *Session, text string) { s.Connect.OnBehalfOf = text }},
	{"Lines[0].SKU", 0, func(s *Session, text string) { s.Lines[0].SKU = text }},
	{"Lines[0].Name", 5000, func(s *Session, text string) { s.Lines[0].Name = text }},
	{"Lines[0].Name", 5000, func(s *Session, text string) { s.Lines[0].Name, s.Lines[0].Product = text, "prod_1" }},
	{"Lines[0].Description", 40_000, func(s *Session, text string) { s.Lines[0].Description = text }},
	{"Lines[0].Images[0]", 2048, func(s *Session, text string) { s.Lines[0].Images = []string{text} }},
	{"Lines[0].Price", 0, func(s *Session, text string) { s.Currency, s.Lines = "usd", []Line{{Price: text, Quantity: 1}} }},
	{"Lines[0].Product", 0, func(s *Session, text string) { s.Lines[0].Product = text }},
	{`Metadata["k"]`, 500, func(s *Session, text string) { s.Metadata = map[string]string{"k": text} }},
}

// textOf returns a text that begins as the valid texts of the field do.
func textOf(field, end string) string {
	for part, start := range map[string]string{
		"URL": "https://shop.example/", "Image": "https://img.example/", "Customer": "cus_1", "Email": "a@shop.example",
		"Rate": "shr_1", "Connect": "acct_1", "Price": "price_1", "Product": "prod_1",
	} {
		if strings.Contains(field, part) && (part != "Customer" || field == part) {
			return start + end
		}
	}
	return "x" + end
}

// Every field refuses text that Stripe refuses, that a database can't store, or that encoding/json would change. Lengths count
// characters.
func TestValidateTexts(t *testing.T) {
	t.Parallel()
	for _, f := range textFields {
		check := func(what, text string, ok bool) {
			s := teeSession()
			f.set(&s, text)
			p, err := s.CreateParams(sessionTestNow)
			if ok {
				require.NoError(t, err, "%s: %s", f.name, what)
				return
			}
			require.Nil(t, p, "%s: %s", f.name, what)
			require.Contains(t, sessionFields(t, err), f.name, what)
		}
		for what, end := range map[string]string{
			"a NUL": "a\x00b", "a NUL at the end": "\x00", "half a character": "\xc3", "a byte that is no text": "\xff", "a surrogate": "\xed\xa0\x80",
		} {
			check(what, textOf(f.name, end), false)
		}
		if f.most == 0 {
			continue
		}
		for _, filler := range []string{"x", "\u6f22"} {
			start := textOf(f.name, "")
			check("the most", start+strings.Repeat(filler, f.most-len(start)), true)
			check("one more", start+strings.Repeat(filler, f.most-len(start)+1), false)
		}
	}
	for key, ok := range map[string]bool{"a\x00": false, "a\xff": false, "a\nb": true} {
		s := teeSession()
		s.Metadata = map[string]string{key: ""}
		_, err := s.CreateParams(sessionTestNow)
		require.Equal(t, ok, err == nil, "%q: %v", key, err)
	}
	for _, u := range []string{"https://:443/", "https://shop.example/a b", "https://shop.example/a\u00a0b", "https://shop.example/\u2028"} {
		s := teeSession()
		s.SuccessURL = u
		s.Lines[0].Images = []string{u}
		_, err := s.CreateParams(sessionTestNow)
		require.Equal(t, []string{"Lines[0].Images[0]", "SuccessURL"}, sessionFields(t, err), u)
	}
	s := teeSession()
	s.CustomerEmail = strings.Repeat("a", 512-len("@shop.example")) + "@shop.example"
	_, err := s.CreateParams(sessionTestNow)
	require.NoError(t, err)
	s.CustomerEmail = "a" + s.CustomerEmail
	_, err = s.CreateParams(sessionTestNow)
	require.Equal(t, []string{"CustomerEmail"}, sessionFields(t, err))
}

// The table textFields holds every text of Session.
func TestTextFieldsAreAll(t *testing.T) {
	t.Parallel()
	named := map[string]bool{`Metadata`: true}
	for _, f := range textFields {
		named[indices.ReplaceAllString(f.name, "")] = true
	}
	var missing []string
	var walk func(path string, typ reflect.Type)
	walk = func(path string, typ reflect.Type) {
		switch typ.Kind() {
		case reflect.String:
			// The intervals are an enumeration; TestValidate has them.
			if !named[path] && typ != reflect.TypeFor[Interval]() {
				missing = append(missing, path)
			}
		case reflect.Slice:
			walk(path, typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				if f := typ.Field(i); f.IsExported() {
					walk(strings.TrimPrefix(path+"."+f.Name, "."), f.Type)
				}
			}
		}
	}
	walk("", reflect.TypeFor[Session]())
	require.Empty(t, missing)
}

var indices = regexp.MustCompile(`\[[^\]]*\]`)

// Errors contain no value that could be personal or secret.
func TestInvalidSessionErrorRepeatsNoValues(t *testing.T) {
	t.Parallel()
	s := teeSession()
	s.CustomerEmail = "PERSONAL@@x"
	s.SuccessURL = "http://shop.example/PERSONAL%zz"
	s.CancelURL = "https://PERSONAL:x@shop.example"
	s.OrderID = "PERSONAL ä"
	s.Customer = "PERSONAL"
	s.Currency = "PERSONAL"
	s.Locale = "PERSONAL"
	s.Metadata = map[string]string{"k": strings.Repeat("PERSONAL", 100)}
	s.Lines[0].Images = []string{"PERSONAL"}
	_, err := s.CreateParams(sessionTestNow)
	require.GreaterOrEqual(t, len(sessionFields(t, err)), 9)
	require.NotContains(t, strings.ToLower(err.Error()), "personal")
	var invalid *InvalidSessionError
	require.True(t, errors.As(fmt.Errorf("begin: %w", err), &invalid))
}
