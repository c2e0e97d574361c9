package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRedis(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]RedisAddress{
		"redis://":                                {Hosts: []string{"localhost:6379"}},
		"redis://h":                               {Hosts: []string{"h:6379"}},
		"REDIS://h:1/":                            {Hosts: []string{"h:1"}},
		" redis://h:1/2 ":                         {Hosts: []string{"h:1"}, DB: 2},
		"redis://h:1?db=2":                        {Hosts: []string{"h:1"}, DB: 2},
		"redis://h:1/2?db=2":                      {Hosts: []string{"h:1"}, DB: 2},
		"redis://[::1]":                           {Hosts: []string{"[::1]:6379"}},
		"redis://u:p@10.0.0.1:1/0":                {Hosts: []string{"10.0.0.1:1"}, User: "u", Password: "p"},
		"redis://:p@redis_1.local.:1":             {Hosts: []string{"redis_1.local.:1"}, Password: "p"},
		"redis://u@h":                             {Hosts: []string{"h:6379"}, User: "u"},
		"redis://u:a%2Fb%3Fc%23d%40e%25f+g@h":     {Hosts: []string{"h:6379"}, User: "u", Password: "a/b?c#d@e%f+g"},
		"redis://u:p@ss:w,rd@h":                   {Hosts: []string{"h:6379"}, User: "u", Password: "p@ss:w,rd"},
		"rediss://h":                              {Hosts: []string{"h:6379"}, TLS: true},
		"rediss://h?skip_verify=true":             {Hosts: []string{"h:6379"}, TLS: true, SkipVerify: true},
		"redis://:p@a:1,b:2":                      {Hosts: []string{"a:1", "b:2"}, Password: "p", Cluster: true},
		"redis://:p,q@a:1,redis://b:2":            {Hosts: []string{"a:1", "b:2"}, Password: "p,q", Cluster: true},
		" redis://a:1 , redis://b:2/0 ,,":         {Hosts: []string{"a:1", "b:2"}, Cluster: true},
		"rediss://:p@a,rediss://:p@b":             {Hosts: []string{"a:6379", "b:6379"}, Password: "p", TLS: true, Cluster: true},
		"redis-sentinel://s/m":                    {Hosts: []string{"s:26379"}, Master: "m"},
		"redis-sentinel://u:p%23@s:1, t/m-1?db=3": {Hosts: []string{"s:1", "t:26379"}, User: "u", Password: "p#", Master: "m-1", DB: 3},
	} {
		got, err := ParseRedis(setting)
		if err != nil {
			t.Errorf("%s: %v", setting, err)
			continue
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", setting, diff)
		}
	}
}

// What is wrong is refused before anybody is asked for a host, and the error repeats nothing that may be a password.
func TestParseRedisRefuses(t *testing.T) {
	t.Parallel()
	for setting, says := range map[string]string{
		"":                                          "redis://user:password@host",
		"hunter2":                                   "redis://user:password@host",
		"http://hunter2":                            "redis://user:password@host",
		"unix:///hunter2.sock":                      "redis://user:password@host",
		"redis://u:hun/ter2@h:1/0":                  "percent-encode",
		"redis://u:12/hunter2@h:1/0":                "percent-encode",
		"redis://u:hun?ter2@h":                      "percent-encode",
		"redis://u:hun#ter2@h":                      "percent-encode",
		"redis://u:6379#hunter2@h":                  "percent-encode",
		"redis://:hunter2@s#x@h":                    "percent-encode",
		"redis://:hunter2@h#":                       "percent-encode",
		"rediss://u:hun#ter2@h":                     "percent-encode",
		"redis://a:1,redis://:hun#ter2@b:1":         "percent-encode",
		"redis://:hun#ter2@a:1,redis://b:1":         "percent-encode",
		"redis-sentinel://:hun#ter2@s/m":            "percent-encode",
		"redis-sentinel://:hun/ter2@s/m":            "percent-encode",
		"redis://:hunter2%@h":                       "%25",
		"redis://hunter2%zz@h":                      "%25",
		"redis://:hunter2":                          "port",
		"redis://h:0":                               "port",
		"redis://h:65536":                           "port",
		"redis://h:":                                "port",
		"redis://::1":                               "brackets",
		"redis://[::1:1":                            "brackets",
		"redis://[h]:1":                             "brackets",
		"redis://a b":                               "host",
		"redis://-h":                                "host",
		"redis://h/x":                               "whole number",
		"redis://h/-1":                              "whole number",
		"redis://h/1/2":                             "whole number",
		"redis://h/99999999999":                     "whole number",
		"redis://h?db=":                             "whole number",
		"redis://h/1?db=2":                          "two different",
		"redis://h?pool_size=3":                     `"pool_size"`,
		"redis://h?password=hunter2":                `"password"`,
		"redis://h?%zz":                             "parameters",
		"redis://h?skip_verify=true":                "rediss://",
		"rediss://h?skip_verify=maybe":              "true or false",
		"redis://a,b/1":                             "database 0",
		"redis://a,redis://b/1":                     "database 0",
		"redis://a,rediss://b":                      "throughout",
		"redis://:hunter2@a,redis://:hunter3@b":     "one password",
		"redis://a,,b":                              "without a name",
		"redis://a,/0":                              "without a name",
		"redis-sentinel://s":                        "master",
		"redis-sentinel://s/":                       "master",
		"redis-sentinel://s/m/1":                    "master",
		"redis-sentinel://s/m,redis-sentinel://t/m": "in one address",
		"redis://a,redis-sentinel://t/m":            "in one address",
	} {
		got, err := ParseRedis(setting)
		if err == nil {
			t.Errorf("%s is taken for %+v", setting, got)
			continue
		}
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%s: the error does not say %q: %v", setting, says, err)
		}
		if strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%s: the error repeats the password: %v", setting, err)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"s3://key:sec%2Fret@bucket/a?endpoint=x":         "s3://key:***@bucket/a",
		"sqlite:///var/lib/muster.db":                    "sqlite:///var/lib/muster.db",
		"sqlite://team#1/muster.db":                      "sqlite://team",
		"redis://h:6379/0":                               "redis://h:6379/0",
		"mysql://u:secret@h:3306/db?tls=secret":          "mysql://u:***@h:3306/db",
		"mysql://u:sec,ret@h:3306/db":                    "mysql://u:***@h:3306/db",
		"mysql://u:se@c/ret@h:3306/db":                   "mysql://u:***@h:3306/db",
		"mysql://u:sec?ret@h:3306/db":                    "mysql://***",
		"redis://h?password=sec@ret":                     "redis://***",
		"redis://:sec@ret#x":                             "redis://***",
		"redis://a:secret@h:1,rediss://:secret@h:2":      "redis://a:***@h:1,rediss://:***@h:2",
		"redis://a:secret@h:1, rediss://:secret@h:2":     "redis://a:***@h:1,rediss://:***@h:2",
		"redis-sentinel://u:secret@h:1,h:2/master?x=sec": "redis-sentinel://u:***@h:1,h:2/master",
		"u:secret@tcp(h:3306)/db":                        "***",
	} {
		if got := Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}
