package checkout

import (
	"context"
	"sync"

	"github.com/gofulfil/fulfil/internal/turns"
)

// keyedMutex is one mutex per key, made when it is first wanted and dropped when nobody wants it anymore. It keeps the
// goroutines of this process from doing the same work for one order side by side; what must hold between processes is
// held by the Store.
type keyedMutex struct {
	mu    sync.Mutex
	locks map[string]*keyedLock
}

type keyedLock struct {
	sem    chan struct{}
	wanted int
}

// lock waits until the key is free or ctx ends.
func (k *keyedMutex) lock(ctx context.Context, key string) (unlock func(), err error) {
	if unlock, ok := k.tryLock(key); ok {
		return unlock, nil
	}
	l := k.want(key)
	select {
	case l.sem <- struct{}{}:
		unlock = func() { <-l.sem; k.drop(key, l) }
	case <-ctx.Done():
		unlock = func() { k.drop(key, l) }
	}
	if err := turns.Take(ctx, key); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// tryLock takes the key if it is free.
func (k *keyedMutex) tryLock(key string) (unlock func(), ok bool) {
	l := k.want(key)
	select {
	case l.sem <- struct{}{}:
		return func() { <-l.sem; k.drop(key, l) }, true
	default:
		k.drop(key, l)
		return nil, false
	}
}

func (k *keyedMutex) want(key string) *keyedLock {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.locks[key]
	if l == nil {
		if k.locks == nil {
			k.locks = make(map[string]*keyedLock)
		}
		l = &keyedLock{sem: make(chan struct{}, 1)}
		k.locks[key] = l
	}
	l.wanted++
	return l
}

func (k *keyedMutex) drop(key string, l *keyedLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l.wanted--
	if l.wanted == 0 {
		delete(k.locks, key)
	}
}
