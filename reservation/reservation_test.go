package reservation_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/reservation"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	lines := []reservation.Line{{"tee", 1}, {"cap", 2}, {"tee", 3}, {"Tee", 4}}
	merged, err := reservation.Hold{ID: "h", Lines: lines}.Merge()
	require.NoError(t, err)
	require.Equal(t, []reservation.Line{{"Tee", 4}, {"cap", 2}, {"tee", 4}}, merged)
	require.Equal(t, []reservation.Line{{"tee", 1}, {"cap", 2}, {"tee", 3}, {"Tee", 4}}, lines, "Merge must not change the caller's lines")
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", reservation.MaxIDBytes+1)
	one := []reservation.Line{{"tee", 1}}
	for name, h := range map[string]reservation.Hold{
		"no ID":            {Lines: one},
		"long ID":          {ID: long, Lines: one},
		"no lines":         {ID: "h"},
		"empty SKU":        {ID: "h", Lines: []reservation.Line{{"", 1}}},
		"long SKU":         {ID: "h", Lines: []reservation.Line{{long, 1}}},
		"ID no UTF-8":      {ID: "a\xffb", Lines: one},
		"ID with a zero":   {ID: "a\x00b", Lines: one},
		"SKU no UTF-8":     {ID: "h", Lines: []reservation.Line{{"a\xffb", 1}}},
		"SKU with a zero":  {ID: "h", Lines: []reservation.Line{{"a\x00b", 1}}},
		"none":             {ID: "h", Lines: []reservation.Line{{"tee", 0}}},
		"less than none":   {ID: "h", Lines: []reservation.Line{{"tee", 2}, {"tee", -1}}},
		"more than 64 bit": {ID: "h", Lines: []reservation.Line{{"tee", math.MaxInt64}, {"cap", 1}, {"tee", 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			merged, err := h.Merge()
			require.ErrorIs(t, err, reservation.ErrInvalidHold)
			require.Nil(t, merged)
			require.Less(t, len(err.Error()), 1000)
		})
	}
	fits := reservation.Hold{ID: long[1:], Lines: []reservation.Line{{long[1:], math.MaxInt64 - 1}, {long[1:], 1}}}
	merged, err := fits.Merge()
	require.NoError(t, err)
	require.Equal(t, []reservation.Line{{long[1:], math.MaxInt64}}, merged)
}

// FuzzMerge compares Merge with sums of numbers that can't overflow.
func FuzzMerge(f *testing.F) {
	f.Add("h", "a,b,a", int64(1), int64(2), int64(3))
	f.Add("h", "a,a,a", int64(math.MaxInt64), int64(1), int64(-1))
	f.Add("", "é,,é", int64(0), int64(math.MinInt64), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, id, skus string, q0, q1, q2 int64) {
		h := reservation.Hold{ID: id}
		sums, valid := map[string]*big.Int{}, reservation.ValidID(id)
		for i, sku := range strings.Split(skus, ",") {
			q := []int64{q0, q1, q2}[i%3]
			h.Lines = append(h.Lines, reservation.Line{SKU: sku, Quantity: q})
			valid = valid && reservation.ValidID(sku) && q > 0
			if sums[sku] == nil {
				sums[sku] = new(big.Int)
			}
			sums[sku].Add(sums[sku], big.NewInt(q))
		}
		for _, sum := range sums {
			valid = valid && sum.IsInt64()
		}
		merged, err := h.Merge()
		if !valid {
			if !errors.Is(err, reservation.ErrInvalidHold) || merged != nil {
				t.Fatalf("Merge(%+v) must be refused; it returned %v, %v", h, merged, err)
			}
			return
		}
		if err != nil || len(merged) != len(sums) {
			t.Fatalf("Merge(%+v) returned %v, %v", h, merged, err)
		}
		if !slices.IsSortedFunc(merged, func(a, b reservation.Line) int { return strings.Compare(a.SKU, b.SKU) }) {
			t.Fatalf("Merge must sort by SKU; it returned %v", merged)
		}
		for _, l := range merged {
			if sums[l.SKU].Int64() != l.Quantity {
				t.Fatalf("Merge(%+v) returned %v", h, merged)
			}
		}
	})
}

func TestShortageError(t *testing.T) {
	t.Parallel()
	var err error = &reservation.ShortageError{Hold: "order-1/1", Lines: []reservation.Shortage{{"cap", 2, 0}, {"tee m", 5, 3}}}
	require.EqualError(t, err, `reservation: hold order-1/1 is short of "cap": 2 wanted, 0 available; "tee m": 5 wanted, 3 available`)
	var short *reservation.ShortageError
	require.ErrorAs(t, fmt.Errorf("begin: %w", err), &short)
	require.EqualValues(t, 3, short.Lines[1].Available)
}

func TestStockAvailable(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, 2, reservation.Stock{OnHand: 5, Held: 3, Sold: 9}.Available())
}
