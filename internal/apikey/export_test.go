package apikey

// Kept returns how many things are kept of what was presented.
func Kept(a *Authenticator) int {
	return a.keys.good.len() + a.keys.bad.len() + a.attempts.keys.len() + a.attempts.addrs.len() + a.touched.len()
}
