package main

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// count is a number of users, as people write large ones: 100000, 100k, 1.5M, 1e6, 1_000_000.
type count int64

var countForm = regexp.MustCompile(`^[0-9]+(_[0-9]+)*(\.[0-9]+)?([eE]\+?[0-9]{1,2})?([kKmM])?$`)

// looksLikeFile tells a file's name by its ending, or its folder.
var looksLikeFile = regexp.MustCompile(`/|\.[A-Za-z][A-Za-z0-9]*$`)

// UnmarshalText reads a whole number of at most 64 bits.
func (c *count) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("want a whole number such as 100000, 100k, 1e6 or 1_000_000, not %q", text)
	form := countForm.FindSubmatch(text)
	switch {
	case form == nil && looksLikeFile.Match(text):
		return fmt.Errorf("%w; a file is imported by: muster import file %s", bad, text)
	case form == nil:
		return bad
	}
	unit := string(form[4])
	n, ok := new(big.Rat).SetString(strings.ReplaceAll(strings.TrimSuffix(string(text), unit), "_", ""))
	if !ok {
		return bad
	}
	switch strings.ToLower(unit) {
	case "k":
		n.Mul(n, big.NewRat(1000, 1))
	case "m":
		n.Mul(n, big.NewRat(1_000_000, 1))
	}
	if !n.IsInt() || !n.Num().IsInt64() {
		return bad
	}
	*c = count(n.Num().Int64())
	return nil
}

// countFlag is where other programs take what is an argument here.
type countFlag string

// Decode refuses it, with the command line to use instead.
func (*countFlag) Decode(ctx *kong.DecodeContext) error {
	var given string
	var n count
	if ctx.Scan.PopValueInto("number", &given) != nil || n.UnmarshalText([]byte(given)) != nil {
		given = "100000"
	}
	return fmt.Errorf("give the number as: muster import %s", given)
}
