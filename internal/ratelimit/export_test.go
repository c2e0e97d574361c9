package ratelimit

// WithKey gives tests on a shared server a budget of their own.
func (b *Budget) WithKey(key string) *Budget {
	b.key = key
	return b
}
