package webhook

import (
	"sync"

	"github.com/stripe/stripe-go/v82"
)

// versions counts events by the API version they were rendered with.
type versions struct {
	mu     sync.Mutex
	counts map[string]*int64
}

// add counts an event and reports whether it is the first of a version that is not stripe-go's.
func (v *versions) add(version []byte) (news bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n, ok := v.counts[string(version)]; ok {
		*n++
		return false
	}
	if v.counts == nil {
		v.counts = map[string]*int64{}
	}
	n := int64(1)
	v.counts[string(version)] = &n
	return string(version) != stripe.APIVersion
}

// APIVersions tells how many events of each API version were received since the start; "" stands for events that name
// none. Thin events have no version and do not count. A version other than stripe.APIVersion is logged as a warning
// when it is first seen: set the endpoint's API version to stripe.APIVersion to be sure that all fields are decoded.
func (h *Handler) APIVersions() map[string]int64 {
	h.versions.mu.Lock()
	defer h.versions.mu.Unlock()
	counts := make(map[string]int64, len(h.versions.counts))
	for version, n := range h.versions.counts {
		counts[version] = *n
	}
	return counts
}
