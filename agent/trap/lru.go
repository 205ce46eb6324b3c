package trap

import "container/list"

// lru is a map that forgets what was used longest ago.
type lru[K comparable, V any] struct {
	most  int
	order *list.List // of *entry, the newest first
	at    map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](most int) lru[K, V] {
	return lru[K, V]{most: most, order: list.New(), at: map[K]*list.Element{}}
}

// get returns a value and makes it the newest.
func (l *lru[K, V]) get(k K) (v V, ok bool) {
	e, ok := l.at[k]
	if !ok {
		return v, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// put sets a value and returns the one that is forgotten for it, if any.
func (l *lru[K, V]) put(k K, v V) (old V, forgotten bool) {
	if e, ok := l.at[k]; ok {
		e.Value.(*entry[K, V]).value = v
		l.order.MoveToFront(e)
		return old, false
	}
	l.at[k] = l.order.PushFront(&entry[K, V]{k, v})
	if l.order.Len() <= l.most {
		return old, false
	}
	last := l.order.Remove(l.order.Back()).(*entry[K, V])
	delete(l.at, last.key)
	return last.value, true
}

func (l *lru[K, V]) len() int { return l.order.Len() }
