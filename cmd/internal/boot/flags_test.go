package boot_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/config"
)

type numbers struct {
	Int   int
	Small int8
	Limit *int64
	Size  uint16
	Ages  []int
	ID    int64 `arg:"" optional:""`
}

func TestNumbersAreDecimal(t *testing.T) {
	t.Parallel()
	parse := func(args ...string) (numbers, error) {
		var n numbers
		_, err := boot.Parse("test", "", &n, args, t.Output())
		return n, err
	}
	n, err := parse("--int=010", "--small=-08", "--limit=0", "--size=065535", "--ages=010,0", "0100")
	if err != nil {
		t.Fatal(err)
	}
	if n.Int != 10 || n.Small != -8 || n.Limit == nil || *n.Limit != 0 || n.Size != 65535 || len(n.Ages) != 2 || n.Ages[0] != 10 || n.ID != 100 {
		t.Errorf("%+v, limit %v", n, n.Limit)
	}
	if n, err := parse(); err != nil || n.Limit != nil {
		t.Errorf("limit %v without a flag, %v", n.Limit, err)
	}
	for _, arg := range []string{"--int=0x10", "--int=1_000", "--int=1e3", "--int=1.0", "--int=", "--small=128", "--size=-1", "--limit=9223372036854775808", "0b1"} {
		if n, err := parse(arg); err == nil || !strings.Contains(err.Error(), "want a whole number") {
			t.Errorf("%s: %+v, %v", arg, n, err)
		}
	}
}

func TestEnumsInAnyCase(t *testing.T) {
	t.Parallel()
	type words struct {
		Gender *string  `enum:"Male,Female"`
		Format string   `enum:"auto,JSON" default:"auto"`
		Codes  []string `enum:"us,GB"`
		Free   string
	}
	var w words
	if _, err := boot.Parse("test", "", &w, []string{"--gender=fEMALE", "--format=json", "--codes=US,gb", "--free=MixEd"}, t.Output()); err != nil {
		t.Fatal(err)
	}
	if *w.Gender != "Female" || w.Format != "JSON" || strings.Join(w.Codes, " ") != "us GB" || w.Free != "MixEd" {
		t.Errorf("%+v, gender %s", w, *w.Gender)
	}
	for _, bad := range []string{"--gender=", "--gender=femal", "--format=", "--codes=us,fr"} {
		if _, err := boot.Parse("test", "", &words{}, []string{bad}, t.Output()); err == nil || !strings.Contains(err.Error(), "must be one of") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	show := func(arg string) string {
		t.Helper()
		var out bytes.Buffer
		if _, err := boot.Parse("api", "", &config.Config{}, []string{arg}, &out); !boot.IsHelp(err) {
			t.Errorf("%s: %v", arg, err)
		}
		return strings.Join(strings.Fields(out.String()), " ")
	}
	if got := show("--version"); !strings.HasPrefix(got, "api ") || !strings.Contains(got, " (go1.") {
		t.Errorf("version %q", got)
	}
	help := show("--help")
	for _, name := range config.EnvNames() {
		if !strings.Contains(help, "$"+name) {
			t.Errorf("%s is not in the help", name)
		}
	}
}

// docker compose sets variables to nothing.
func TestHelpWithEmptyVariables(t *testing.T) {
	for _, name := range config.EnvNames() {
		t.Setenv(name, "")
	}
	var out bytes.Buffer
	if _, err := boot.Parse("api", "", &config.Config{}, []string{"--help"}, &out); !boot.IsHelp(err) {
		t.Fatal(err)
	}
	for _, name := range config.EnvNames() {
		if !strings.Contains(out.String(), name) {
			t.Errorf("%s is not in the help", name)
		}
	}
}
