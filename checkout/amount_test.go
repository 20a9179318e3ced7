package checkout

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// allCurrencies are the codes of the table.
func allCurrencies() []string { return strings.Fields(currencyCodes) }

func TestCurrencyTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	decimals := map[int]int{}
	for _, code := range allCurrencies() {
		require.Len(t, code, 3)
		require.False(t, seen[code], "%s is there twice", code)
		seen[code] = true
		rule, ok := currencyRuleOf(code)
		require.True(t, ok, code)
		decimals[rule.decimals]++
	}
	require.Equal(t, map[int]int{0: 15, 2: len(seen) - 20, 3: 5}, decimals)
	require.Greater(t, len(seen), 135)
	for _, code := range []string{"", "us", "USD", "usdx", "d a", " us", "hrk", "xxx", "aed afn"} {
		_, ok := currencyRuleOf(code)
		require.False(t, ok, "%q", code)
	}
}

func TestParseAmount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		decimal, currency string
		minor             int64
		text              string
	}{
		{"19.99", "usd", 1999, "19.99 USD"},
		{"19.99", "USD", 1999, "19.99 USD"},
		{"19.9", "usd", 1990, "19.90 USD"},
		{"19", "usd", 1900, "19.00 USD"},
		{"19.9900", "usd", 1999, "19.99 USD"},
		{"007.50", "eur", 750, "7.50 EUR"},
		{"0.01", "eur", 1, "0.01 EUR"},
		{"-0.05", "eur", -5, "-0.05 EUR"},
		{"-0", "eur", 0, "0.00 EUR"},
		{"500", "jpy", 500, "500 JPY"},
		{"500.00", "jpy", 500, "500 JPY"},
		{"5", "isk", 500, "5 ISK"},
		{"5.00", "ugx", 500, "5 UGX"},
		{"10.45", "huf", 1045, "10.45 HUF"},
		{"800.45", "twd", 80045, "800.45 TWD"},
		{"5.12", "kwd", 5120, "5.120 KWD"},
		{"-5.120", "bhd", -5120, "-5.120 BHD"},
		{"92233720368547758.07", "usd", math.MaxInt64, "92233720368547758.07 USD"},
		{"-92233720368547758.07", "usd", -math.MaxInt64, "-92233720368547758.07 USD"},
	} {
		a, err := ParseAmount(c.decimal, c.currency)
		require.NoError(t, err, "%s %s", c.decimal, c.currency)
		require.Equal(t, c.minor, a.Minor(), "%s %s", c.decimal, c.currency)
		require.Equal(t, strings.ToLower(c.currency), a.Currency())
		require.Equal(t, c.text, a.String())
		same, err := AmountOf(c.minor, c.currency)
		require.NoError(t, err)
		require.True(t, a == same, "amounts are comparable")
	}
}

func TestParseAmountRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		decimal, currency string
		want              error
	}{
		{"1", "hrk", ErrUnknownCurrency},
		{"1", "", ErrUnknownCurrency},
		{"", "usd", ErrAmountSyntax},
		{"-", "usd", ErrAmountSyntax},
		{".5", "usd", ErrAmountSyntax},
		{"5.", "usd", ErrAmountSyntax},
		{"+5", "usd", ErrAmountSyntax},
		{"--5", "usd", ErrAmountSyntax},
		{" 5", "usd", ErrAmountSyntax},
		{"1,50", "usd", ErrAmountSyntax},
		{"1,000.50", "usd", ErrAmountSyntax},
		{"1.2.3", "usd", ErrAmountSyntax},
		{"1e2", "usd", ErrAmountSyntax},
		{"0x10", "usd", ErrAmountSyntax},
		{"1_000", "usd", ErrAmountSyntax},
		{"٣", "usd", ErrAmountSyntax},
		{"NaN", "usd", ErrAmountSyntax},
		{"19.999", "usd", ErrAmountPrecision},
		{"0.5", "jpy", ErrAmountPrecision},
		{"5.01", "isk", ErrAmountPrecision},
		{"5.124", "kwd", ErrAmountPrecision},
		{"5.1201", "kwd", ErrAmountPrecision},
		{"92233720368547758.08", "usd", ErrAmountOverflow},
		{strings.Repeat("9", 400), "usd", ErrAmountOverflow},
	} {
		_, err := ParseAmount(c.decimal, c.currency)
		require.ErrorIs(t, err, c.want, "%q %s", c.decimal, c.currency)
	}
	require.Panics(t, func() { MustAmount("1.999", "usd") })
	for minor, want := range map[int64]error{math.MinInt64: ErrAmountOverflow, 150: ErrAmountPrecision} {
		_, err := AmountOf(minor, "isk")
		require.ErrorIs(t, err, want)
	}
	_, err := AmountOf(1, "zzz")
	require.ErrorIs(t, err, ErrUnknownCurrency)
}

// Every amount of every currency stays the same when it is written and read.
func TestAmountRoundTrip(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, code := range allCurrencies() {
		rule, _ := currencyRuleOf(code)
		edge := math.MaxInt64 / rule.step * rule.step
		minors := []int64{0, rule.step, -rule.step, 10 * rule.step, 99 * rule.step, 100 * rule.step, edge, -edge}
		for range 200 {
			minors = append(minors, (int64(rnd.Uint64())>>rnd.IntN(63))/2/rule.step*rule.step)
		}
		for _, minor := range minors {
			a, err := AmountOf(minor, code)
			require.NoError(t, err)
			back, err := ParseAmount(a.Decimal(), code)
			require.NoError(t, err)
			require.Equal(t, a, back)

			text, err := json.Marshal(a)
			require.NoError(t, err)
			var read Amount
			require.NoError(t, json.Unmarshal(text, &read))
			require.Equal(t, a, read)
		}
	}
}

func TestAmountText(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(struct{ A Amount }{})
	require.NoError(t, err)
	require.JSONEq(t, `{"A":""}`, string(text))
	a := MustAmount("1", "usd")
	require.NoError(t, json.Unmarshal([]byte(`""`), &a))
	require.Equal(t, Amount{}, a)
	require.Equal(t, "0", a.String())
	require.ErrorIs(t, a.UnmarshalText([]byte("19.99")), ErrUnknownCurrency)
	require.ErrorIs(t, a.UnmarshalText([]byte("19.99 USD ")), ErrUnknownCurrency)
	require.Equal(t, Amount{}, a, "a failed read leaves the amount alone")
}

func TestAmountArithmetic(t *testing.T) {
	t.Parallel()
	usd := func(minor int64) Amount { return Amount{minor: minor, currency: "usd"} }
	edges := []int64{0, 1, -1, 2, -2, 99, -100, 1 << 31, -1 << 31, 3037000499, 3037000500, math.MaxInt64 / 2, math.MaxInt64 - 1,
		math.MaxInt64, -math.MaxInt64, -math.MaxInt64 + 1}
	check := func(name string, x, y int64, want *big.Int, got Amount, err error) {
		if want.CmpAbs(big.NewInt(math.MaxInt64)) > 0 {
			require.ErrorIs(t, err, ErrAmountOverflow, "%d %s %d", x, name, y)
			return
		}
		require.NoError(t, err, "%d %s %d", x, name, y)
		require.Equal(t, usd(want.Int64()), got, "%d %s %d", x, name, y)
	}
	for _, x := range edges {
		for _, y := range append(edges, math.MinInt64) {
			bx, by := big.NewInt(x), big.NewInt(y)
			product, err := usd(x).Mul(y)
			check("*", x, y, new(big.Int).Mul(bx, by), product, err)
			if y == math.MinInt64 {
				continue // a quantity can be that, an Amount can't
			}
			sum, err := usd(x).Add(usd(y))
			check("+", x, y, new(big.Int).Add(bx, by), sum, err)
			difference, err := usd(x).Sub(usd(y))
			check("-", x, y, new(big.Int).Sub(bx, by), difference, err)
			order, err := usd(x).Cmp(usd(y))
			require.NoError(t, err)
			require.Equal(t, bx.Cmp(by), order)
		}
		require.Equal(t, x == 0, usd(x).IsZero())
	}
	eur := Amount{minor: 1, currency: "eur"}
	_, err := usd(1).Add(eur)
	require.ErrorIs(t, err, ErrCurrencyMismatch)
	_, err = usd(1).Sub(eur)
	require.ErrorIs(t, err, ErrCurrencyMismatch)
	_, err = usd(1).Cmp(eur)
	require.ErrorIs(t, err, ErrCurrencyMismatch)
	_, err = usd(1).Add(Amount{})
	require.ErrorIs(t, err, ErrCurrencyMismatch, "not set is no amount")
}

var decimalGrammar = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// FuzzParseAmount compares the parser with exact rational numbers.
func FuzzParseAmount(f *testing.F) {
	for _, seed := range []string{"19.99", "-0.01", "5.120", "00012.5000", "92233720368547758.07", "92233720368547758.08", "1e5", "1.", ".1", ""} {
		for _, code := range []string{"usd", "jpy", "isk", "kwd", "zzz"} {
			f.Add(seed, code)
		}
	}
	f.Fuzz(func(t *testing.T, decimal, currency string) {
		a, err := ParseAmount(decimal, currency)
		rule, known := currencyRuleOf(strings.ToLower(currency))
		if !known {
			require.ErrorIs(t, err, ErrUnknownCurrency)
			return
		}
		if !decimalGrammar.MatchString(decimal) {
			require.ErrorIs(t, err, ErrAmountSyntax)
			return
		}
		exact, ok := new(big.Rat).SetString(decimal)
		require.True(t, ok)
		exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(rule.decimals)), nil)))
		switch {
		case !exact.IsInt():
			require.ErrorIs(t, err, ErrAmountPrecision)
		case exact.Num().CmpAbs(big.NewInt(math.MaxInt64)) > 0:
			require.ErrorIs(t, err, ErrAmountOverflow)
		case exact.Num().Int64()%rule.step != 0:
			require.ErrorIs(t, err, ErrAmountPrecision)
		default:
			require.NoError(t, err)
			require.Equal(t, exact.Num().Int64(), a.Minor())
			again, err := ParseAmount(a.Decimal(), a.Currency())
			require.NoError(t, err)
			require.Equal(t, a, again)
		}
		if err != nil {
			require.Equal(t, Amount{}, a)
			require.False(t, len(decimal) > 3 && strings.Contains(err.Error(), decimal), "an error repeats its input")
		}
		var sentinel bool
		for _, s := range []error{nil, ErrUnknownCurrency, ErrAmountSyntax, ErrAmountPrecision, ErrAmountOverflow} {
			sentinel = sentinel || errors.Is(err, s)
		}
		require.True(t, sentinel)
	})
}

// Any amount of an order prints, also one that a row of another program holds.
func TestFormatAmountNeverFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor    int64
		currency string
		want     string
	}{
		{1999, "usd", "19.99 USD"}, {500, "jpy", "500 JPY"}, {-250, "EUR", "-2.50 EUR"}, {0, "", "0 minor units"},
		{1999, "xxq", "1999 minor units XXQ"}, {5121, "kwd", "5121 minor units KWD"}, {math.MinInt64, "usd", "-9223372036854775808 minor units USD"},
	} {
		require.Equal(t, c.want, FormatAmount(c.minor, c.currency))
	}
}
