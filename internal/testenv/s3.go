package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// The account of the S3 server.
const s3Key, s3Secret = "muster-test", "muster-test-secret"

var s3Server struct {
	started
	dir string
}

// S3 returns a place for files in a bucket of its own, in the form of MUSTER_FILES, on an S3 server that tests share:
// VersityGW, which checks signatures and their expiry, as the S3 servers inside of a test do not. Where it is not built,
// the test is skipped: `make bin/versitygw` builds it.
func S3(t testing.TB) string {
	t.Helper()
	if !Installed("s3") {
		Missing(t, "s3")
		t.SkipNow()
	}
	addr, err := s3Server.get(func() (string, error) {
		dir, err := folder("muster-s3-")
		if err != nil {
			return "", err
		}
		s3Server.dir = dir
		p, err := StartS3(dir)
		if err != nil {
			return "", err
		}
		return p.Addr, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := os.MkdirTemp(s3Data(s3Server.dir), "bucket-")
	if err != nil {
		t.Fatal(err)
	}
	return S3URL(addr, filepath.Base(bucket))
}

// S3URL returns the place some/where in a bucket of the S3 server at addr.
func S3URL(addr, bucket string) string {
	return fmt.Sprintf("s3://%s:%s@%s/some/where?endpoint=http://%s", s3Key, s3Secret, bucket, addr)
}

// s3Data is the folder whose folders are buckets.
func s3Data(dir string) string { return filepath.Join(dir, "buckets") }

// StartS3 starts an S3 server that keeps its objects below dir.
func StartS3(dir string) (*Process, error) {
	meta := filepath.Join(dir, "meta") // in files, not in extended attributes, which not every file system has
	for _, d := range []string{s3Data(dir), meta} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	return start("versitygw", dir, port, "--quiet", "--access", s3Key, "--secret", s3Secret, "--port", "127.0.0.1:"+strconv.Itoa(port),
		"posix", "--sidecar", meta, s3Data(dir))
}
