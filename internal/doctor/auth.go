package doctor

import (
	"net"

	"github.com/musterhq/muster/internal/config"
)

// auth judges who may call the API.
func (r *report) auth(c *config.Config, d *Database) {
	switch {
	case c.Auth == "key" && (d == nil || d.LiveKeys == nil): // the database is judged by itself
	case c.Auth == "key" && *d.LiveKeys == 0:
		r.add("auth", Warning, "MUSTER_AUTH is key, and there is none that counts", "nobody can call the API or sign in to its pages",
			"muster keys create --owner NAME --name first --scopes read,write,export,admin")
	case c.Auth == "key":
		r.ok("auth", "API keys that count: %d", *d.LiveKeys)
	case onLoopback(c.HTTPAddr):
		r.ok("auth", "X-USER-ID names the caller, and only this machine reaches the API")
	default:
		r.add("auth", OK, "X-USER-ID names the caller", "whoever reaches "+c.HTTPAddr+" may call as anybody: let only a proxy that sets the header reach it, or set MUSTER_AUTH=key", "")
	}
}

func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
