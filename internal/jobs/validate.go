package jobs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/musterhq/muster/internal/job"
)

var owner = regexp.MustCompile(`^[A-Za-z0-9._@-]{1,64}$`)

// validate checks the whole spec at once and brings it to its one form, so that equal requests hash alike.
func (s *Service) validate(spec *job.Spec) error {
	var bad job.ValidationError
	add := func(field, format string, args ...any) {
		bad.Fields = append(bad.Fields, job.FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	if !owner.MatchString(spec.Owner) {
		add("X-USER-ID", "must be 1 to 64 letters, digits or . _ @ -")
	}
	if spec.Count < 1 {
		add("count", "must be at least 1")
	}
	if len(spec.IdempotencyKey) > 255 || strings.ContainsFunc(spec.IdempotencyKey, func(r rune) bool { return r < '!' || r > '~' }) {
		add("Idempotency-Key", "must be at most 255 visible ASCII characters")
	}
	most := s.MaxCount
	switch spec.Source {
	case job.SourceRandomUser:
		most = min(most, maxRandomUser)
		validateNat(spec, add)
	case job.SourceFaker:
		if len(spec.Nat) > 0 {
			add("nat", "goes with source=randomuser only")
		}
	default:
		add("source", "must be faker or randomuser")
	}
	if len(bad.Fields) > 0 {
		return &bad
	}
	if spec.Count > most {
		return &job.BatchLimitError{Count: spec.Count, Max: most}
	}
	return nil
}

func validateNat(spec *job.Spec, add func(field, format string, args ...any)) {
	nat := make([]string, 0, len(spec.Nat))
	for _, code := range spec.Nat {
		code = strings.ToLower(code)
		if !job.ValidNat(code) {
			add("nat", "has a code that is not one of %s", strings.Join(job.Nationalities(), ", "))
			return
		}
		nat = append(nat, code)
	}
	slices.Sort(nat)
	if spec.Nat = slices.Compact(nat); len(spec.Nat) == 0 {
		spec.Nat = nil
	}
}
