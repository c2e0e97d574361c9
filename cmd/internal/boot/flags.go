package boot

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// flagRules is how all commands read flags and variables, where kong by itself does it in another way.
func flagRules(name string) []kong.Option {
	rules := []kong.Option{
		kong.Embed(&struct {
			Version kong.VersionFlag `help:"Show the version."`
		}{}),
		kong.Vars{"version": name + " " + versionText()},
		kong.KindMapper(reflect.String, kong.MapperFunc(anyCase)),
		kong.ValueFormatter(help),
	}
	for kind := reflect.Int; kind <= reflect.Uint64; kind++ {
		rules = append(rules, kong.KindMapper(kind, kong.MapperFunc(decimal)))
	}
	return rules
}

// decimal reads a whole number. Kong takes 010 for 8.
func decimal(ctx *kong.DecodeContext, target reflect.Value) error {
	s, err := pop(ctx, "number")
	if err != nil {
		return err
	}
	bits := target.Type().Bits()
	if target.CanInt() {
		if n, err := strconv.ParseInt(s, 10, bits); err == nil {
			target.SetInt(n)
			return nil
		}
	} else if n, err := strconv.ParseUint(s, 10, bits); err == nil {
		target.SetUint(n)
		return nil
	}
	return fmt.Errorf("want a whole number of %d bits, not %q", bits, s)
}

// anyCase reads a text, and one of an enum's words in any case.
func anyCase(ctx *kong.DecodeContext, target reflect.Value) error {
	s, err := pop(ctx, "text")
	if err != nil {
		return err
	}
	for _, word := range ctx.Value.EnumSlice() {
		if strings.EqualFold(word, s) {
			s = word
		}
	}
	target.SetString(s)
	return nil
}

// pop returns the value of a flag or an argument.
func pop(ctx *kong.DecodeContext, kind string) (s string, err error) {
	if ctx.Scan.Peek().IsEOL() {
		return "", errors.New("its value is missing")
	}
	err = ctx.Scan.PopValueInto(kind, &s)
	return s, err
}

// help names the variables of a flag, that of a secret's file too.
func help(v *kong.Value) string {
	text := kong.DefaultHelpValueFormatter(v)
	env := "$" + v.Tag.Get("env")
	if env != "$" && len(v.Tag.Envs) == 0 { // Parse took it away, since it is set and empty
		text += " (" + env + ")"
	}
	if v.Tag.Get("secret") == "" {
		return text
	}
	return strings.Replace(text, "("+env+")", "("+env+", or "+env+"_FILE, a file that holds it)", 1)
}
