package checkout

import (
	"sync"
	"time"
)

// accountsMost is the number of accounts that an accountTimes remembers. Then it forgets them all.
const accountsMost = 10_000

// accountTimes remembers when this process last did something for an account.
type accountTimes struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (a *accountTimes) has(account string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.at[account]
	return ok
}

func (a *accountTimes) set(account string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(account, at)
}

// due reports whether it is to be done again, and then remembers that it is done now.
func (a *accountTimes) due(account string, now time.Time, every time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at, ok := a.at[account]; ok && now.Sub(at).Abs() < every {
		return false
	}
	a.put(account, now)
	return true
}

// put needs the lock.
func (a *accountTimes) put(account string, at time.Time) {
	if a.at == nil || len(a.at) >= accountsMost {
		a.at = map[string]time.Time{}
	}
	a.at[account] = at
}
