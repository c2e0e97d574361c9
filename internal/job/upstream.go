package job

import "time"

// RandomUserPage is the most users that one request to RandomUser.me gives (above it the service sends a single one, with
// status 200), and so the most rows of a RandomUser job's chunk, which is one page.
const RandomUserPage = 5000

// Allowance is how many users an upstream gives the whole fleet in each window of time. The zero value limits nothing.
type Allowance struct {
	Users  int64
	Window time.Duration
}

// wait returns how long after the first of n users the window begins in which the last one comes.
func (a Allowance) wait(n int64) time.Duration {
	if a.Users <= 0 || n <= a.Users {
		return 0
	}
	return time.Duration((n-1)/a.Users) * a.Window
}
