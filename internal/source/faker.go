package source

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// Faker makes users up. A row is a pure function of (seed, row number): no state, no lock. It is safe for
// concurrent use.
//
// The users of a seed are part of the contract: the same seed gives the same people in every release. A change of
// the word lists, of cities.csv or of the mixing below breaks that and needs a line in the changelog.
type Faker struct {
	words
	longest int // of first and last slug together, in bytes
}

// NewFaker collects the word lists; it fails only with a release of go-faker from which they cannot be collected any more,
// or whose words break a rule of users.
func NewFaker() (*Faker, error) {
	w, err := loadWords()
	if err != nil {
		return nil, err
	}
	longest := func(lists ...[]word) (n int) {
		for _, list := range lists {
			for _, w := range list {
				n = max(n, len(w.slug))
			}
		}
		return n
	}
	f := &Faker{words: w, longest: longest(w.male, w.female) + longest(w.last)}
	return f, f.check()
}

var errWord = errors.New("faker has a word that users cannot have")

// check finds out whether Faker could make a user that is not stored, or not as it is. It puts each word into a user once,
// with the longest e-mail address and phone number that there may be, so that rows need no check when they are made.
func (f *Faker) check() error {
	const id = "9223372036854775807"
	for i := range max(len(f.male), len(f.female), len(f.last), len(f.cities)) {
		home := f.cities[i%len(f.cities)]
		for _, first := range [][]word{f.male, f.female} {
			u := user.User{
				FirstName: first[i%len(first)].text, LastName: f.last[i%len(f.last)].text, City: home.name, State: home.state,
				Email: strings.Repeat("a", f.longest-1) + ".a." + id + domain, MobileNumber: phonePrefix + id, Age: maxAge, Gender: user.Male,
			}
			made := u
			if err := u.Prepare(); err != nil || u != made {
				return errWord
			}
		}
	}
	return nil
}

// Open returns the reader of a claimed chunk. It never fails.
func (f *Faker) Open(_ context.Context, c job.Claim) (func(ctx context.Context, dst []user.User, n int) ([]user.User, int, error), error) {
	base := stream(c.Job.Seed)
	row, end := c.Chunk.FirstRow+c.Chunk.Done, c.Chunk.FirstRow+c.Chunk.Rows
	return func(ctx context.Context, dst []user.User, n int) ([]user.User, int, error) {
		dst = dst[:0]
		if err := ctx.Err(); err != nil {
			return dst, 0, err
		}
		n = int(min(int64(max(n, 0)), end-row))
		if n <= 0 {
			return dst, 0, nil
		}
		dst = slices.Grow(dst, n)[:n]
		// All strings of the batch share one buffer: one allocation instead of two per row.
		var arena strings.Builder
		arena.Grow(n * f.rowBytes(c.Job.FirstID+end))
		for i := range dst {
			f.fill(&dst[i], &arena, base, c.Job.FirstID+row, row)
			row++
		}
		return dst, 0, nil
	}, nil
}

// Row returns the user that an import stores for row, from 0, of a job with this seed and first id.
func (f *Faker) Row(seed, firstID, row int64) user.User {
	var u user.User
	f.fill(&u, new(strings.Builder), stream(seed), firstID+row, row)
	return u
}

const (
	minAge, maxAge = 18, 90
	domain         = "@example.com" // reserved by RFC 2606: no mail ever reaches anybody
	// phonePrefix is a country code that the ITU has assigned to nobody, so that no number can be anybody's.
	phonePrefix = "+999"
	phoneDigits = 12 // with the prefix the 15 digits that E.164 allows; ids from 10^12 on take more, up to 23 characters
)

// rowBytes returns how many bytes the strings of one row take at most when no id is above lastID.
func (f *Faker) rowBytes(lastID int64) int {
	digits := len(strconv.FormatInt(lastID, 10))
	return f.longest + len("..") + digits + len(domain) + len(phonePrefix) + max(digits, phoneDigits)
}

// fill sets every field of u. E-mail and phone number carry the id, which no other user of any job has: they are
// unique by construction. The names come from the row, so they repeat under the same seed whatever the ids are.
func (f *Faker) fill(u *user.User, arena *strings.Builder, base uint64, id, row int64) {
	// Counter-based: the row's two words are outputs 2·row+1 and 2·row+2 of the SplitMix64 stream of the seed.
	a := mix(base + gamma*(2*uint64(row)+1))
	b := mix(base + gamma*(2*uint64(row)+2))
	first, gender := f.male, user.Male
	if b&1 == 1 {
		first, gender = f.female, user.Female
	}
	given := &first[pick(uint32(a), len(first))]
	family := &f.last[pick(uint32(a>>32), len(f.last))]
	home := &f.cities[pick(uint32(b>>32), len(f.cities))]

	var buf [20]byte
	digits := strconv.AppendInt(buf[:0], id, 10)
	start := arena.Len()
	arena.WriteString(given.slug)
	arena.WriteByte('.')
	arena.WriteString(family.slug)
	arena.WriteByte('.')
	arena.Write(digits)
	arena.WriteString(domain)
	phone := arena.Len()
	arena.WriteString(phonePrefix)
	const zeros = "000000000000"
	arena.WriteString(zeros[:max(phoneDigits-len(digits), 0)])
	arena.Write(digits)
	text := arena.String() // a view: Builder never changes bytes that it has written

	*u = user.User{
		ID:           id,
		FirstName:    given.text,
		LastName:     family.text,
		Email:        text[start:phone],
		City:         home.name,
		State:        home.state,
		Age:          minAge + pick(uint32(b)&^1, maxAge-minAge+1),
		MobileNumber: text[phone:],
		Gender:       gender,
	}
}

// gamma is SplitMix64's increment, the golden ratio in 64 bits (Steele, Lea, Flood: Fast Splittable Pseudorandom
// Number Generators, 2014).
const gamma = 0x9e3779b97f4a7c15

// stream returns where the stream of a seed starts: those of neighbouring seeds lie far apart.
func stream(seed int64) uint64 { return mix(uint64(seed) + gamma) }

// mix is SplitMix64's finaliser.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// pick maps r evenly onto 0 … n-1; the bias, n/2^32, is far below what a sample of millions shows.
func pick(r uint32, n int) int { return int(uint64(r) * uint64(n) >> 32) }
