package reservation

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxIDBytes is the maximum length of a hold's ID and of a SKU.
const MaxIDBytes = 255

// ValidID reports whether s can be a SKU or the ID of a hold: 1 to [MaxIDBytes] bytes of UTF-8 without a zero byte. Every
// backend can store such text.
func ValidID(s string) bool {
	return s != "" && len(s) <= MaxIDBytes && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

// Merge checks a hold and returns its lines with each SKU once, sorted by SKU. Backends store this form and lock the SKUs in
// this sequence. The error matches [ErrInvalidHold].
func (h Hold) Merge() ([]Line, error) {
	if !ValidID(h.ID) {
		return nil, fmt.Errorf("%w: the ID %.300q: give it 1 to %d bytes of UTF-8 without a zero byte", ErrInvalidHold, h.ID, MaxIDBytes)
	}
	if len(h.Lines) == 0 {
		return nil, fmt.Errorf("%w: %s has no lines: give it at least one", ErrInvalidHold, h.ID)
	}
	lines := slices.Clone(h.Lines)
	slices.SortStableFunc(lines, func(a, b Line) int { return strings.Compare(a.SKU, b.SKU) })
	merged := lines[:0]
	for _, l := range lines {
		if !ValidID(l.SKU) || l.Quantity < 1 {
			return nil, fmt.Errorf("%w: %s has %d of SKU %.300q: a SKU has 1 to %d bytes of UTF-8 without a zero byte, and a quantity is at least 1",
				ErrInvalidHold, h.ID, l.Quantity, l.SKU, MaxIDBytes)
		}
		last := len(merged) - 1
		if last < 0 || merged[last].SKU != l.SKU {
			merged = append(merged, l)
			continue
		}
		if merged[last].Quantity > math.MaxInt64-l.Quantity {
			return nil, fmt.Errorf("%w: %s has more of SKU %q than fits in 64 bits", ErrInvalidHold, h.ID, l.SKU)
		}
		merged[last].Quantity += l.Quantity
	}
	return merged, nil
}
