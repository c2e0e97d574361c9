package dashboard

// LimitStreams sets how many pages may be followed at once. Call it before the first.
func (d *Dashboard) LimitStreams(n int) { d.streams = make(chan struct{}, n) }

// OpenStreams returns how many pages are followed.
func (d *Dashboard) OpenStreams() int { return len(d.streams) }
