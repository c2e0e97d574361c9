package apikey

// recent is a map of bounded size, of the keys that were set or found last: twice max at most. When it is full, those that
// were not met since it was full the last time go. The zero value with a max is empty. It is not safe for concurrent use.
type recent[K comparable, V any] struct {
	max         int
	now, before map[K]V
}

func (r *recent[K, V]) get(k K) (v V, ok bool) {
	if v, ok = r.now[k]; ok {
		return v, true
	}
	if v, ok = r.before[k]; ok {
		r.set(k, v)
	}
	return v, ok
}

func (r *recent[K, V]) set(k K, v V) {
	if _, there := r.now[k]; !there && len(r.now) >= r.max {
		r.before, r.now = r.now, nil
	}
	if r.now == nil {
		r.now = map[K]V{}
	}
	r.now[k] = v
}

func (r *recent[K, V]) drop(k K) {
	delete(r.now, k)
	delete(r.before, k)
}

func (r *recent[K, V]) len() int { return len(r.now) + len(r.before) }
