package filestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/musterhq/muster/internal/job"
)

const (
	// tries is how often a request is made until its error counts, within some seconds.
	tries = 4
	// patience is how long a connection may stand still.
	patience = time.Minute
)

// bucket is a backend: an S3-compatible store. A part is one of its multipart uploads.
type bucket struct {
	api    minio.Core
	name   string
	prefix string // of the keys; "", or with a slash at its end
}

// newBucket reads s3://key:secret@bucket/prefix?region=…&endpoint=…. Its errors hold no secret.
func newBucket(rawURL string, patience time.Duration) (*bucket, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return nil, errors.New("want s3://bucket/prefix?region=…&endpoint=…; in key:secret@ before the bucket, / + and : are to be percent-encoded")
	}
	q := u.Query()
	for name := range q {
		if name != "region" && name != "endpoint" {
			return nil, fmt.Errorf("s3:// takes region and endpoint, not %q", name)
		}
	}
	endpoint := &url.URL{Scheme: "https", Host: "s3.amazonaws.com"}
	region := firstOf(q.Get("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	if custom := q.Get("endpoint"); custom != "" {
		endpoint, err = url.Parse(custom)
		if err != nil || endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" || strings.Trim(endpoint.Path, "/") != "" {
			return nil, errors.New("want endpoint=http://host:port or https://host")
		}
		region = firstOf(region, "us-east-1") // what stores without regions call themselves
	}
	transport, err := newTransport(endpoint.Scheme == "https", patience)
	if err != nil {
		return nil, err
	}
	return openBucket(u, endpoint, &minio.Options{
		Creds: keys(u.User), Secure: endpoint.Scheme == "https", Transport: transport, Region: region, MaxRetries: tries,
	})
}

func openBucket(u, endpoint *url.URL, opts *minio.Options) (*bucket, error) {
	api, err := minio.NewCore(endpoint.Host, opts)
	if err != nil {
		return nil, err
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &bucket{api: *api, name: u.Host, prefix: prefix}, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// keys are those of the URL, or those that Amazon's tools would find: in the environment, in ~/.aws/credentials, or given
// to this machine.
func keys(u *url.Userinfo) *credentials.Credentials {
	if u != nil {
		secret, _ := u.Password()
		return credentials.NewStaticV4(u.Username(), secret, "")
	}
	return credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{}})
}

func newTransport(secure bool, patience time.Duration) (*http.Transport, error) {
	t, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &impatient{c, patience}, nil
	}
	t.ResponseHeaderTimeout = patience
	return t, nil
}

// impatient is a connection that breaks when it stands still. HTTP has no such limit for bodies, and one for whole
// requests would cut large files.
type impatient struct {
	net.Conn
	patience time.Duration
}

func (c *impatient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *impatient) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// bucketError translates an error of the S3 protocol. The codes are those of Amazon and of MinIO.
func bucketError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	resp, _ := errors.AsType[minio.ErrorResponse](err)
	sentinel := job.ErrFilesUnavailable
	switch resp.Code {
	case "NoSuchKey", "NoSuchUpload":
		sentinel = job.ErrFileNotFound
	case "PreconditionFailed", "ConditionalRequestConflict":
		sentinel = errExists
	case "InvalidPart":
		sentinel = errConflict
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		sentinel = job.ErrNoSpace
	}
	if resp.StatusCode == http.StatusInsufficientStorage {
		sentinel = job.ErrNoSpace
	}
	return fmt.Errorf("%w: %w", sentinel, err)
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (b *bucket) put(ctx context.Context, key string, body []byte) error {
	return b.upload(ctx, key, body, minio.PutObjectOptions{})
}

func (b *bucket) putNew(ctx context.Context, key string, body []byte) error {
	var opts minio.PutObjectOptions
	opts.SetMatchETagExcept("*")
	err := b.upload(ctx, key, body, opts)
	if resp, _ := errors.AsType[minio.ErrorResponse](err); resp.Code != "NotImplemented" && resp.StatusCode != http.StatusNotImplemented {
		return err
	}
	// A store without conditional writes: of two processes at this place at once the later one wins, and Growing bears it.
	switch _, err := b.stat(ctx, key); {
	case err == nil:
		return errExists
	case !errors.Is(err, job.ErrFileNotFound):
		return err
	}
	return b.put(ctx, key, body)
}

// upload writes a small object. The hash of the body is signed, and checked by the store.
func (b *bucket) upload(ctx context.Context, key string, body []byte, opts minio.PutObjectOptions) error {
	opts.DisableContentSha256 = true // of pieces, which not every store takes
	_, err := b.api.PutObject(ctx, b.name, b.prefix+key, bytes.NewReader(body), int64(len(body)), "", sha256Hex(body), opts)
	return bucketError(ctx, err)
}

func (b *bucket) stat(ctx context.Context, key string) (Info, error) {
	o, err := b.api.StatObject(ctx, b.name, b.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return Info{}, bucketError(ctx, err)
	}
	return Info{Name: key, Size: o.Size, Modified: o.LastModified}, nil
}

func (b *bucket) remove(ctx context.Context, key string) (err error) {
	if name, part, ok := strings.Cut(key, partMark); ok {
		err = b.api.AbortMultipartUpload(ctx, b.name, b.prefix+name, part)
	} else {
		err = b.api.RemoveObject(ctx, b.name, b.prefix+key, minio.RemoveObjectOptions{})
	}
	if err = bucketError(ctx, err); errors.Is(err, job.ErrFileNotFound) {
		return nil
	}
	return err
}

func (b *bucket) list(ctx context.Context, prefix string, parts bool) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for o := range b.api.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}) {
			if o.Err != nil {
				yield(Info{}, bucketError(ctx, o.Err))
				return
			}
			if !yield(Info{Name: strings.TrimPrefix(o.Key, b.prefix), Size: o.Size, Modified: o.LastModified}, nil) {
				return
			}
		}
		if !parts {
			return
		}
		for keyMarker, partMarker := "", ""; ; {
			page, err := b.api.ListMultipartUploads(ctx, b.name, b.prefix+prefix, keyMarker, partMarker, "", 1000)
			if err = bucketError(ctx, err); errors.Is(err, job.ErrFileNotFound) {
				return // some stores say so when there are none
			}
			if err != nil {
				yield(Info{}, err)
				return
			}
			for _, u := range page.Uploads {
				if !yield(Info{Name: partKey(strings.TrimPrefix(u.Key, b.prefix), u.UploadID), Modified: u.Initiated}, nil) {
					return
				}
			}
			if !page.IsTruncated {
				return
			}
			keyMarker, partMarker = page.NextKeyMarker, page.NextUploadIDMarker
		}
	}
}

func (b *bucket) begin(ctx context.Context, name string) (string, error) {
	part, err := b.api.NewMultipartUpload(ctx, b.name, b.prefix+name, minio.PutObjectOptions{})
	return part, bucketError(ctx, err)
}

func (b *bucket) write(ctx context.Context, name, part string, number int, _ int64, block []byte) (string, error) {
	p, err := b.api.PutObjectPart(ctx, b.name, b.prefix+name, part, number+1, bytes.NewReader(block), int64(len(block)),
		minio.PutObjectPartOptions{Sha256Hex: sha256Hex(block), DisableContentSha256: true})
	return p.ETag, bucketError(ctx, err)
}

func (b *bucket) commit(ctx context.Context, name, part string, tags []string) error {
	all := make([]minio.CompletePart, len(tags))
	for i, tag := range tags {
		all[i] = minio.CompletePart{PartNumber: i + 1, ETag: tag}
	}
	_, err := b.api.CompleteMultipartUpload(ctx, b.name, b.prefix+name, part, all, minio.PutObjectOptions{})
	return bucketError(ctx, err)
}

func (b *bucket) check(ctx context.Context) error {
	key := "check" + tempMark + token()
	if err := b.put(ctx, key, []byte("Muster can write here.\n")); err != nil {
		return err
	}
	return b.remove(ctx, key)
}

func (b *bucket) get(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	body, o, _, err := b.api.GetObject(ctx, b.name, b.prefix+key, minio.GetObjectOptions{})
	return body, o.Size, bucketError(ctx, err)
}

func (b *bucket) open(ctx context.Context, key string) (*Object, error) {
	o, err := b.api.StatObject(ctx, b.name, b.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return nil, bucketError(ctx, err)
	}
	return &Object{
		Info: Info{Name: key, Size: o.Size, Modified: o.LastModified},
		body: &remote{ctx: ctx, bucket: b, key: b.prefix + key, etag: o.ETag},
	}, nil
}

// remote is the body of an Object.
type remote struct {
	ctx    context.Context
	bucket *bucket
	key    string
	etag   string
}

func (*remote) Close() error { return nil }

func (o *remote) ReadAt(p []byte, off int64) (int, error) {
	r := o.reader(o.ctx, off, off+int64(len(p)))
	defer func() { _ = r.Close() }()
	return io.ReadFull(r, p)
}

func (o *remote) reader(ctx context.Context, off, end int64) io.ReadCloser {
	return &download{ctx: ctx, object: o, off: off, end: end}
}

// download reads a range. When the connection breaks it goes on with another one, so that one of the many hours that a
// large file may take does not have to be repeated.
type download struct {
	ctx      context.Context
	object   *remote
	off, end int64
	body     io.ReadCloser // nil: not open
	failed   int           // how often in a row without a byte
}

func (d *download) Read(p []byte) (int, error) {
	if d.off >= d.end {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), d.end-d.off)]
	for {
		if d.body == nil {
			if err := d.open(); err != nil {
				return 0, err
			}
		}
		n, err := d.body.Read(p)
		d.off += int64(n)
		if err != nil {
			_ = d.Close()
		}
		switch {
		case n > 0:
			d.failed = 0
			return n, nil
		case err == nil:
			return 0, nil
		}
		if d.failed++; d.failed >= tries {
			return 0, bucketError(d.ctx, fmt.Errorf("read at %d: %w", d.off, noEOF(err)))
		}
		select {
		case <-d.ctx.Done():
			return 0, d.ctx.Err()
		case <-time.After(100 * time.Millisecond << d.failed):
		}
	}
}

// noEOF: an end before the end is none.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *download) open() error {
	var opts minio.GetObjectOptions
	if err := errors.Join(opts.SetRange(d.off, d.end-1), opts.SetMatchETag(d.object.etag)); err != nil {
		return err
	}
	body, _, _, err := d.object.bucket.api.GetObject(d.ctx, d.object.bucket.name, d.object.key, opts)
	if err = bucketError(d.ctx, err); errors.Is(err, errExists) {
		return fmt.Errorf("%w: it was replaced while it was read: %w", job.ErrFilesUnavailable, err)
	}
	d.body = body
	return err
}

func (d *download) Close() error {
	if d.body == nil {
		return nil
	}
	body := d.body
	d.body = nil
	return body.Close()
}

func (b *bucket) link(ctx context.Context, key, fileName string, life time.Duration) (string, error) {
	ask := url.Values{"response-content-disposition": {`attachment; filename="` + fileName + `"`}}
	u, err := b.api.PresignedGetObject(ctx, b.name, b.prefix+key, life, ask)
	if err != nil {
		return "", bucketError(ctx, err)
	}
	return u.String(), nil
}
