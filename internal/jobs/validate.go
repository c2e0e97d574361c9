package jobs

import (
	"cmp"
	"regexp"
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
	if spec.Count < 1 && spec.Source != job.SourceFile && spec.Source != job.SourceExport {
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
	case job.SourceFile:
		return s.validateFile(spec, &bad)
	case job.SourceExport:
		return s.validateExport(spec, &bad)
	default:
		bad.Add("source", "must be faker, randomuser or file")
	}
	if err := bad.Err(); err != nil {
		return err
	}
	if spec.Count > most {
		return &job.BatchLimitError{Count: spec.Count, Max: most}
	}
	return nil
}

// fileRowBytes is what a row of a file is taken to have, until the file has been read.
const fileRowBytes = 100

// validateFile checks what the caller says of a file, fills in the defaults, and estimates the number of rows by the size.
// How many there are is limited by nothing but that.
func (s *Service) validateFile(spec *job.Spec, bad *invalid.Error) error {
	o := &spec.File.Options
	o.OnDuplicate = cmp.Or(o.OnDuplicate, job.DuplicateInsert)
	switch o.OnDuplicate {
	case job.DuplicateInsert:
		if o.Key != "" || o.InFile != "" {
			bad.Add("onDuplicate", "must be skip, update, fill or reject with key or inFile: insert looks at no key")
		}
	case job.DuplicateSkip, job.DuplicateUpdate, job.DuplicateFill, job.DuplicateReject:
		o.Key, o.InFile = cmp.Or(o.Key, "email"), cmp.Or(o.InFile, job.FirstRow)
		if o.Key != "email" && o.Key != "id" {
			bad.Add("key", "must be email or id")
		}
		if o.InFile != job.FirstRow && o.InFile != job.LastRow {
			bad.Add("inFile", "must be first or last")
		}
	default:
		bad.Add("onDuplicate", "must be insert, skip, update, fill or reject")
	}
	if spec.File.Bytes < 1 {
		bad.Add("file", "must not be empty")
	}
	spec.Count = max(1, spec.File.Bytes/fileRowBytes)
	return bad.Err()
}

const (
	minSplitRows = 1000 // fewer would be thousands of tiny objects
	mostOfFolder = 100  // characters; an object's name has 200
)

var folder = regexp.MustCompile(`^[a-z0-9-]+(/[a-z0-9-]+)*$`)

// validateExport checks what the caller says of an export; how many ids it has is not limited.
func (s *Service) validateExport(spec *job.Spec, bad *invalid.Error) error {
	e := spec.Export
	if e.SplitRows != 0 && (e.SplitRows < minSplitRows || e.SplitRows > maxExportRows) {
		bad.Add("splitRows", "must be between %d and %d", minSplitRows, maxExportRows)
	}
	if e.Destination != "" && (len(e.Destination) > mostOfFolder || !folder.MatchString(e.Destination)) {
		bad.Add("destination", "must be at most %d characters: words of a-z, 0-9 and -, joined by /", mostOfFolder)
	}
	if err := bad.Err(); err != nil {
		return err
	}
	if s.Exports == nil {
		return job.ErrFilesUnavailable
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
