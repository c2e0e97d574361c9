package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// RedisAddress is what MUSTER_REDIS says.
type RedisAddress struct {
	Hosts          []string // host:port of the server, of nodes of the cluster, or of the Sentinels
	Cluster        bool
	Master         string // the name by which the Sentinels know the server; empty: there are none
	User, Password string // of Redis, not of the Sentinels
	DB             int
	TLS            bool
	SkipVerify     bool // TLS without a look at the server's certificate
}

const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// errRedisForm is the error about an address that looks like none.
var errRedisForm = errors.New("want redis://user:password@host:6379/0, rediss://… (TLS), several of them joined by commas (a cluster), " +
	"or redis-sentinel://user:password@host:26379,host:26379/master")

// ParseRedis reads MUSTER_REDIS: redis:// or rediss:// with a user, a password, hosts and the number of a database, all
// but the hosts optional; several hosts, or several such addresses joined by commas, are a cluster; or
// redis-sentinel://user:password@host:port,host:port/master. The parameters are db and skip_verify.
//
// An error says what is wrong, but not with which text: in an address that is wrong, any part may be of the password.
func ParseRedis(setting string) (*RedisAddress, error) {
	var first *RedisAddress
	for _, text := range splitURLs(setting) {
		a, err := parseRedisURL(text)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = a
			continue
		}
		switch {
		case first.Master != "" || a.Master != "":
			return nil, errors.New("several Sentinels stand in one address: redis-sentinel://host:26379,host:26379/master")
		case a.TLS != first.TLS:
			return nil, errors.New("a cluster is redis:// or rediss:// throughout")
		case a.User != "" && a.User != first.User || a.Password != "" && a.Password != first.Password:
			return nil, errors.New("a cluster has one user and one password: give them with the first address")
		}
		first.Hosts = append(first.Hosts, a.Hosts...)
		first.DB, first.SkipVerify = cmp.Or(first.DB, a.DB), first.SkipVerify || a.SkipVerify
	}
	first.Cluster = first.Master == "" && len(first.Hosts) > 1
	if first.Cluster && first.DB != 0 {
		return nil, errors.New("a cluster has only database 0; MUSTER_REDIS_PREFIX keeps two deployments on it apart")
	}
	return first, nil
}

func parseRedisURL(text string) (*RedisAddress, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	a := &RedisAddress{}
	port := redisPort
	switch strings.ToLower(scheme) {
	case "redis":
	case "rediss":
		a.TLS = true
	case "redis-sentinel":
		port = sentinelPort
	default:
		return nil, errRedisForm
	}
	authority, path, query, err := splitURL(rest)
	if err != nil {
		return nil, err
	}
	hosts := authority
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		hosts = authority[at+1:]
		user, password, _ := strings.Cut(authority[:at], ":")
		var userErr, passwordErr error
		a.User, userErr = url.PathUnescape(user)
		a.Password, passwordErr = url.PathUnescape(password)
		if userErr != nil || passwordErr != nil {
			return nil, errors.New("the user or the password has a % that begins no escape: percent-encode it, as %25")
		}
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host = strings.TrimSpace(host); host == "" && hosts != "" { // of one alone it is localhost
			return nil, errors.New("the list of hosts has one without a name")
		}
		if host, err = hostPort(host, port); err != nil {
			return nil, err
		}
		a.Hosts = append(a.Hosts, host)
	}
	if port == sentinelPort {
		if a.Master, err = url.PathUnescape(path); err != nil || a.Master == "" || strings.Contains(path, "/") {
			return nil, errors.New("want the name of the master, and nothing else, after the hosts: redis-sentinel://host:26379,host:26379/master")
		}
		path = ""
	}
	return a, a.options(path, query)
}

// splitURL splits what follows the scheme. A user or password that holds one of / ? # would end the hosts too early, and
// its rest would be taken for a host or printed.
func splitURL(rest string) (authority, path string, query url.Values, err error) {
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, rest = rest[:end], rest[end:]
	if strings.ContainsAny(rest, "@#") {
		return "", "", nil, errors.New("percent-encode what stands in the user or the password: / as %2F, ? as %3F, # as %23, @ as %40")
	}
	path, parameters, _ := strings.Cut(rest, "?")
	if query, err = url.ParseQuery(parameters); err != nil {
		return "", "", nil, errors.New("what follows the ? is no list of parameters: ?name=value&name=value")
	}
	return authority, strings.Trim(path, "/"), query, nil
}

// hostName is what a name in the DNS, or a container's, is made of.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?$`)

// hostPort returns the host with its port, or else with the usual one; nothing is localhost.
func hostPort(s, usual string) (string, error) {
	host, port := s, usual
	if i := strings.LastIndex(s, ":"); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("a port is not a number from 1 to 65535; a : in the password is percent-encoded as %3A, a @ as %40")
	}
	inner, bracketed := strings.CutPrefix(host, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	_, err := netip.ParseAddr(inner)
	switch {
	case host == "":
		return net.JoinHostPort("localhost", port), nil
	case bracketed && closed && err == nil && strings.Contains(inner, ":"):
	case bracketed || closed || !hostName.MatchString(host):
		return "", errors.New("a host is neither a name nor an IP address; an IPv6 address stands in brackets: [::1]:" + usual)
	}
	return net.JoinHostPort(inner, port), nil
}

// options reads the number of the database, from the path or ?db=, and the parameters. One that would have no effect is
// refused.
func (a *RedisAddress) options(path string, query url.Values) error {
	numbers := query["db"]
	if path != "" {
		numbers = append(numbers, path)
	}
	for i, number := range numbers {
		n, err := strconv.ParseUint(number, 10, 31)
		switch {
		case err != nil:
			return errors.New("the database is not a whole number: want redis://host:6379/0")
		case i > 0 && int(n) != a.DB:
			return errors.New("two different databases are named")
		}
		a.DB = int(n)
	}
	for name, values := range query {
		switch name {
		case "db":
		case "skip_verify":
			var err error
			if a.SkipVerify, err = strconv.ParseBool(values[len(values)-1]); err != nil || !a.TLS {
				return errors.New("the parameter skip_verify is true or false, and for rediss:// only")
			}
		default:
			return fmt.Errorf("the parameter %q is not known; there are db and skip_verify", name)
		}
	}
	return nil
}

// nextURL is where another URL begins in a list joined by commas: a bare comma may be part of a password.
var nextURL = regexp.MustCompile(`,[,\s]*[A-Za-z-]+://`)

// splitURLs splits a list at commas that a URL follows; spaces and commas around it do not count.
func splitURLs(urls string) (list []string) {
	for {
		at := nextURL.FindStringIndex(urls)
		if at == nil {
			return append(list, strings.Trim(urls, ", \t\r\n"))
		}
		list = append(list, strings.Trim(urls[:at[0]], ", \t\r\n"))
		urls = urls[at[0]+1:]
	}
}

// Redact hides the password and the parameters of a URL, or of several joined by commas. It takes malformed ones too,
// since those are what error messages show; where a password may end cannot be told, it hides the rest.
func Redact(urls string) string {
	list := splitURLs(urls)
	for i := range list {
		list[i] = redact(list[i])
	}
	return strings.Join(list, ",")
}

func redact(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return "***"
	}
	query := strings.IndexAny(rest, "?#")
	at := strings.LastIndex(rest, "@")
	switch {
	case at > query && query >= 0 || at >= 0 && strings.Contains(rest, "#"):
		return scheme + "://***"
	case query >= 0:
		rest = rest[:query]
	}
	if at >= 0 {
		user, _, _ := strings.Cut(rest[:at], ":")
		rest = user + ":***" + rest[at:]
	}
	return scheme + "://" + rest
}
