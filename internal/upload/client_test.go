package upload_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/musterhq/muster/client"
)

// api is an API process of its own, which can be killed.
type api struct {
	t     *testing.T
	store string
	addr  string // "": it has not run yet
	cmd   *exec.Cmd
}

func (p *api) start() {
	p.t.Helper()
	p.cmd = exec.CommandContext(p.t.Context(), os.Args[0])
	listen := p.addr
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	p.cmd.Env = append(os.Environ(), "MUSTER_TEST_UPLOADS="+p.store, "MUSTER_TEST_LISTEN="+listen)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.t.Fatalf("the process does not listen: %v", err)
	}
	p.addr = strings.TrimSpace(line)
}

func (p *api) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// An API is killed again and again in the middle of an upload, and started anew. The client goes on by itself, and the
// file is whole.
func TestKilled(t *testing.T) {
	t.Parallel()
	store := folder(t)
	p := &api{t: t, store: store}
	p.start()
	defer func() { p.kill() }()
	body := content(40<<20 + 12345)
	const kills = 6
	at := make([]int64, kills)
	for i := range at {
		at[i] = int64(len(body))*int64(i)/kills + rand.Int64N(int64(len(body))/kills)
	}
	killed := 0
	restart := make(chan struct{}, kills)
	go func() {
		for range restart {
			p.kill()
			p.start()
		}
	}()
	id, err := open(t, "http://"+p.addr).SendFile(t.Context(), "ann", client.FileUpload{
		File: bytes.NewReader(body), Size: int64(len(body)), Name: "users.csv",
		Progress: func(sent int64) {
			if killed < kills && sent > at[killed] {
				killed++
				restart <- struct{}{}
			}
		},
	})
	close(restart)
	if err != nil || killed != kills {
		t.Fatalf("killed %d times: %v", killed, err)
	}
	finished(t, newUploads(t, store, nil), id, body)
}

// Connections break, servers are in trouble: the client goes on.
func TestSendFileThroughFaults(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(testing.TB) string{"folder": folder, "bucket": bucket} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUploads(t, store(t), nil)
			var requests atomic.Int64
			server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch requests.Add(1) {
				case 1: // of the first POST
					w.Header().Set("Retry-After", "0")
					w.WriteHeader(http.StatusServiceUnavailable)
				case 3: // the first PATCH
					r.Body = io.NopCloser(io.LimitReader(r.Body, 12_345_678))
					u.ServeHTTP(w, r)
					panic(http.ErrAbortHandler)
				case 4: // HEAD
					w.WriteHeader(http.StatusBadGateway)
				case 6: // the second PATCH
					panic(http.ErrAbortHandler)
				default:
					u.ServeHTTP(w, r)
				}
			}))
			body := content(20 << 20)
			var begun string
			var last int64
			id, err := open(t, server).SendFile(t.Context(), "ann", client.FileUpload{
				File: bytes.NewReader(body), Size: int64(len(body)), Name: "users.csv",
				Begun: func(id string) { begun = id }, Progress: func(n int64) { last = n },
			})
			if err != nil || id == "" || begun != id || last != int64(len(body)) || requests.Load() != 8 {
				t.Fatalf("%q, begun %q, at %d after %d requests: %v", id, begun, last, requests.Load(), err)
			}
			if up := finished(t, u, id, body); up.FileName != "users.csv" {
				t.Errorf("found %+v", up)
			}
		})
	}
}

// Who stops goes on later, with the id.
func TestSendFileLater(t *testing.T) {
	t.Parallel()
	u := newUploads(t, folder(t), nil)
	server := serve(t, u)
	c := open(t, server)
	body := content(30 << 20)
	ctx, cancel := context.WithCancel(t.Context())
	f := client.FileUpload{File: bytes.NewReader(body), Size: int64(len(body)), Progress: func(n int64) {
		if n > 15<<20 {
			cancel()
		}
	}}
	id, err := c.SendFile(ctx, "ann", f)
	if !errors.Is(err, context.Canceled) || id == "" {
		t.Fatalf("stopped: %q, %v", id, err)
	}
	eventually(t, func() bool { // the server notices
		n, err := strconv.Atoi(call(t, "HEAD", server+"/api/v1/uploads/"+id, nil).Header.Get("Upload-Offset"))
		return err == nil && n >= 8<<20
	})
	var first int64
	f.ID, f.Progress = id, func(n int64) {
		if first == 0 {
			first = n
		}
	}
	if again, err := c.SendFile(t.Context(), "ann", f); err != nil || again != id || first < 8<<20 {
		t.Errorf("later: %q, %v, from %d", again, err, first)
	}
	finished(t, u, id, body)
	if again, err := c.SendFile(t.Context(), "ann", f); err != nil || again != id {
		t.Errorf("once more: %q, %v", again, err)
	}
}

type badFile struct{}

func (badFile) ReadAt([]byte, int64) (int, error) { return 0, errBadFile }

var errBadFile = errors.New("the disk is broken")

// What another try does not mend is an error at once.
func TestSendFileRefused(t *testing.T) {
	t.Parallel()
	u := newUploads(t, folder(t), nil)
	server := serve(t, u)
	c := open(t, server)
	_, begun := begin(t, server, 1000)
	file := bytes.NewReader(content(1000))
	for _, tt := range []struct {
		user   string
		f      client.FileUpload
		status int
		says   string
	}{
		{"", client.FileUpload{File: file, Size: 1000}, 400, "no caller"},
		{"ann", client.FileUpload{File: file, Size: maxBytes + 1}, 413, "larger"},
		{"bob", client.FileUpload{File: file, Size: 1000, ID: begun}, 404, "404"},
		{"ann", client.FileUpload{File: file, Size: 999, ID: begun}, 0, "has 999 bytes, the one that was begun 1000"},
		{"ann", client.FileUpload{File: badFile{}, Size: 1000, ID: begun}, 0, "the disk is broken"},
	} {
		_, err := c.SendFile(t.Context(), tt.user, tt.f)
		answer, isAnswer := errors.AsType[*client.APIError](err)
		if err == nil || isAnswer != (tt.status != 0) || isAnswer && answer.Status != tt.status || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s, %d bytes, %q: %v", tt.user, tt.f.Size, tt.f.ID, err)
		}
	}
	if _, err := c.SendFile(t.Context(), "ann", client.FileUpload{File: badFile{}, Size: 1000, ID: begun}); !errors.Is(err, errBadFile) {
		t.Errorf("the file's error: %v", err)
	}
	// A file that became shorter.
	if _, err := c.SendFile(t.Context(), "ann", client.FileUpload{File: bytes.NewReader(content(500)), Size: 1000, ID: begun}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that is too short: %v", err)
	}
}
