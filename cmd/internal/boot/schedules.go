package boot

import (
	"fmt"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/jobs"
	"github.com/musterhq/muster/internal/schedules"
	"github.com/musterhq/muster/internal/upload/whole"
)

// maxSchedules is how many schedules one caller may have.
const maxSchedules = 100

// Schedules returns what callers do with schedules.
func (s *Stack) Schedules() *schedules.Service {
	return &schedules.Service{Store: s.Store, Max: maxSchedules}
}

// ImportSource returns the place that files are imported from; nil: there is none.
func (s *Stack) ImportSource() (*filestore.Source, error) {
	if s.Config.ImportFrom == "" {
		return nil, nil
	}
	source, err := filestore.OpenSource(s.Config.ImportFrom)
	if err != nil {
		return nil, fmt.Errorf("MUSTER_IMPORT_FROM: %w", err)
	}
	return source, nil
}

// ScheduleRunner returns what fires schedules and submits their jobs by the service.
func (s *Stack) ScheduleRunner(service *jobs.Service) (*schedules.Runner, error) {
	r := &schedules.Runner{Store: s.Store, Jobs: service, Lease: s.Config.Lease, Log: s.Log, Metrics: schedules.NewMetrics(s.Metrics)}
	source, err := s.ImportSource()
	if err != nil {
		return nil, err
	}
	if source != nil && s.Files != nil {
		r.Files = &whole.Fetcher{Files: s.Files, Source: source, Max: s.Config.MaxFileBytes}
	}
	return r, nil
}
