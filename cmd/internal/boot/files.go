package boot

import (
	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/fileexport"
	"github.com/musterhq/muster/internal/fileimport"
)

// FileImport returns what reads the files of jobs; nil when there is no place for files.
func (s *Stack) FileImport() *fileimport.Files {
	if s.Files == nil {
		return nil
	}
	return &fileimport.Files{Store: s.Files, TempDir: s.Config.TempDir, ChunkRows: s.Config.ChunkRows}
}

// FileExport returns what writes the files of export jobs; nil when there is no place for files.
func (s *Stack) FileExport() *fileexport.Files {
	if s.Files == nil {
		return nil
	}
	return &fileexport.Files{Store: s.Files, Users: s.Store, Encoder: export.Users{Pager: s.Store}}
}
