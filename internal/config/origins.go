package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// origin returns an entry of MUSTER_CORS_ORIGINS as browsers send it: scheme and host in small letters, the port unless
// it is the scheme's own, no slash at the end. Neither * nor null is one: with these any page in the world could read
// all users through the browser of whoever can reach the API.
func origin(text string) (string, error) {
	text = strings.TrimSpace(text)
	bad := func(why string) (string, error) {
		return "", fmt.Errorf("%q is no origin: %s; want https://host or https://host:port", text, why)
	}
	if strings.Contains(text, "@") { // it would be printed
		return "", errors.New("an origin holds no user and no password; want https://host or https://host:port")
	}
	u, err := url.Parse(text)
	if err != nil {
		return bad("it cannot be read")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("it does not begin with https:// or http://")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return bad("it goes on after the host")
	case strings.Contains(host, "*"):
		return bad("each origin has to be named")
	case net.ParseIP(host) == nil && !hostName.MatchString(host):
		return bad("its host is neither a name, in ASCII, nor an IP address")
	case strings.HasSuffix(u.Host, ":") || port != "" && (err != nil || n == 0):
		return bad("its port is not a number from 1 to 65535")
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if usual := map[string]string{"http": "80", "https": "443"}; port != "" && port != usual[u.Scheme] {
		host += ":" + port
	}
	return u.Scheme + "://" + host, nil
}
