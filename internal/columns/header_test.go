package columns_test

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/columns"
)

// A name is the same however it is written, and its normal form is its own.
func FuzzNormal(f *testing.F) {
	for _, name := range []string{"E-Mail-Adresse", "Pre\u0301nom", "Straße", "İ", "Ｅｍａｉｌ", "nº de teléfono", "\xff", "ﬁrst"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		key := columns.Normal(name)
		if again := columns.Normal(key); again != key {
			t.Fatalf("%q: %q, and that is %q", name, key, again)
		}
		for _, same := range []string{" " + name + "\t", "(" + name + ")*", strings.ReplaceAll(name, " ", "_")} {
			if got := columns.Normal(same); got != key {
				t.Errorf("%q is %q, %q is %q", name, key, same, got)
			}
		}
	})
}

func TestNormal(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"E-Mail Adresse": "emailadresse", "FIRST_NAME": "firstname", "Prénom": "prenom", "Straße": "strasse", "İl": "il", "Ｅｍａｉｌ": "email", "Nº": "no", "": "", "--": "",
		"お名前": "お名前", "\xff": "",
	} {
		if got := columns.Normal(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}
