package job

import (
	"errors"
	"fmt"
)

// Sentinels of the file store and of uploads to it.
var (
	// ErrFilesUnavailable: the file store cannot be reached, or does not let itself be written. What was to be written
	// is not there.
	ErrFilesUnavailable = errors.New("the file store is not available")
	// ErrNoSpace: the file store is full. What was to be written is not there.
	ErrNoSpace = errors.New("the file store is full")
	// ErrFileNotFound: the file store has no such object.
	ErrFileNotFound = errors.New("file not found")
	// ErrLink: the link to a file is none that Muster gave out, or has expired.
	ErrLink = errors.New("this link is not valid, or not any more; ask for the files anew")
	// ErrNotExported: the job has no files to fetch: it is no export, or not COMPLETED.
	ErrNotExported = errors.New("the job is no export, or not COMPLETED, so there are no files")
	// ErrUploadNotFound: there is no such upload, it has another owner, or it was left unfinished for too long.
	ErrUploadNotFound = errors.New("upload not found")
	// ErrUploadInUse: a job that is not over reads it.
	ErrUploadInUse = errors.New("a job that is not over imports the upload")
	// ErrUploadUnfinished: not all bytes of the upload are there yet.
	ErrUploadUnfinished = errors.New("the upload is not finished")
	// ErrUploadConflict: the bytes do not begin where the upload stands, or another request took it over. The client asks
	// where it stands and goes on from there.
	ErrUploadConflict = errors.New("the upload stands elsewhere, or another request continues it")
)

// Upload is a file that is in the file store as a whole.
type Upload struct {
	ID     string
	Object string // its name in the file store
	Size   int64  // bytes
	SHA256 string // hexadecimal

	// What the client says it is, without control characters: text to show, never a path.
	FileName    string
	ContentType string
}

// FileTooLargeError: the file has more bytes than it may.
type FileTooLargeError struct{ Max int64 }

func (e *FileTooLargeError) Error() string {
	return fmt.Sprintf("the file is larger than %d bytes", e.Max)
}

// UploadError: a request breaks the protocol of resumable uploads.
type UploadError struct {
	Status  int    // of HTTP, 4xx
	Message string // for the client's author
}

func (e *UploadError) Error() string { return e.Message }

// FilesTrouble returns why a job has to wait for the file store, by an error; empty: it does not.
func FilesTrouble(err error) WaitReason {
	switch {
	case errors.Is(err, ErrNoSpace):
		return WaitFilesFull
	case errors.Is(err, ErrFilesUnavailable):
		return WaitFilesDown
	}
	return ""
}
