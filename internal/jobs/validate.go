package jobs

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
)

// validate checks the whole spec at once and brings it to its one form, so that equal requests hash alike.
func (s *Service) validate(spec *job.Spec) error {
	var bad invalid.Error
	if !job.ValidOwner(spec.Owner) {
		bad.Add("X-USER-ID", "must be 1 to 64 letters, digits or . _ @ -")
	}
	if spec.Count < 1 {
		bad.Add("count", "must be at least 1")
	}
	if len(spec.IdempotencyKey) > 255 || strings.ContainsFunc(spec.IdempotencyKey, func(r rune) bool { return r < '!' || r > '~' }) {
		bad.Add("Idempotency-Key", "must be at most 255 visible ASCII characters")
	}
	most := s.MaxCount
	switch spec.Source {
	case job.SourceRandomUser:
		most = min(most, maxRandomUser)
		validateNat(spec, &bad)
	case job.SourceFaker:
		if len(spec.Nat) > 0 {
			bad.Add("nat", "goes with source=randomuser only")
		}
	default:
		bad.Add("source", "must be faker or randomuser")
	}
	if err := bad.Err(); err != nil {
		return err
	}
	if spec.Count > most {
		return &job.BatchLimitError{Count: spec.Count, Max: most}
	}
	return nil
}

func validateNat(spec *job.Spec, bad *invalid.Error) {
	nat := make([]string, 0, len(spec.Nat))
	for _, code := range spec.Nat {
		code = strings.ToLower(code)
		if !job.ValidNat(code) {
			bad.Add("nat", "has a code that is not one of %s", strings.Join(job.Nationalities(), ", "))
			return
		}
		nat = append(nat, code)
	}
	slices.Sort(nat)
	if spec.Nat = slices.Compact(nat); len(spec.Nat) == 0 {
		spec.Nat = nil
	}
}
