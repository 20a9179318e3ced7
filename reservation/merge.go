package reservation

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxIDBytes is the greatest length of a hold's ID and of a SKU.
const MaxIDBytes = 255

// ValidID reports whether s can be the ID of a hold or a SKU: 1 to [MaxIDBytes] bytes of UTF-8 without a zero byte. Every
// backend can keep such text.
func ValidID(s string) bool {
	return s != "" && len(s) <= MaxIDBytes && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

// Merge checks a hold and returns its lines with each SKU once, sorted by SKU: the form in which a backend keeps them and
// the order in which it locks them. The error matches [ErrInvalidHold].
func (h Hold) Merge() ([]Line, error) {
	if !ValidID(h.ID) {
		return nil, fmt.Errorf("%w: its ID must be text of 1 to %d bytes, not %.300q", ErrInvalidHold, MaxIDBytes, h.ID)
	}
	if len(h.Lines) == 0 {
		return nil, fmt.Errorf("%w: %s has no lines", ErrInvalidHold, h.ID)
	}
	lines := slices.Clone(h.Lines)
	slices.SortStableFunc(lines, func(a, b Line) int { return strings.Compare(a.SKU, b.SKU) })
	merged := lines[:0]
	for _, l := range lines {
		if !ValidID(l.SKU) || l.Quantity < 1 {
			return nil, fmt.Errorf("%w: %s has %d of SKU %.300q", ErrInvalidHold, h.ID, l.Quantity, l.SKU)
		}
		last := len(merged) - 1
		if last < 0 || merged[last].SKU != l.SKU {
			merged = append(merged, l)
			continue
		}
		if merged[last].Quantity > math.MaxInt64-l.Quantity {
			return nil, fmt.Errorf("%w: %s has too much of SKU %q", ErrInvalidHold, h.ID, l.SKU)
		}
		merged[last].Quantity += l.Quantity
	}
	return merged, nil
}
