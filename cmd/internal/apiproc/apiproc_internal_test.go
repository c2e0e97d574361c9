package apiproc

import (
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/testenv"
)

// A folder that is not there ends the start with the setting's name; one that is full is only logged.
func TestCheckTempDir(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	check := func(dir string) error {
		log.Reset()
		return checkTempDir(&boot.Stack{Config: &config.Config{TempDir: dir}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	}
	dir := t.TempDir()
	if err := check(dir); err != nil || log.Len() > 0 {
		t.Errorf("%v, %s", err, log.String())
	}
	if err := check(filepath.Join(dir, "gone")); err == nil || !strings.Contains(err.Error(), "MUSTER_TEMP_DIR") {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).Run(); err != nil {
		testenv.Missing(t, "tmpfs") // or the right to mount one
		t.SkipNow()
	}
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the folder is not full")
	}
	if err := check(dir); err != nil || !strings.Contains(log.String(), "no room") {
		t.Errorf("a full folder: %v, %q", err, log.String())
	}
}

func TestRefuseOtherNames(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{"127.0.0.1:0": true, "[::1]:0": true, "127.0.0.2:0": true, ":0": false, "0.0.0.0:0": false} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Logf("%s: %v", addr, err) // a machine without IPv6
			continue
		}
		t.Cleanup(func() { _ = l.Close() })
		a := &API{public: l, server: &httpapi.Server{}}
		if a.RefuseOtherNames(); a.server.LoopbackNames != want {
			t.Errorf("%s: %t, want %t", addr, a.server.LoopbackNames, want)
		}
	}
}

// Without a place for files the API has none; with one it keeps uploads there, and says when it cannot.
func TestTakeFiles(t *testing.T) {
	t.Parallel()
	var c httpapi.Config
	if err := takeFiles(&boot.Stack{Config: &config.Config{}}, &c); err != nil || c.Uploads != nil || c.Source != nil || len(c.Checks) > 0 {
		t.Errorf("without a place: %+v, %v", c, err)
	}
	files, err := filestore.Open("file://" + t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &boot.Stack{Config: &config.Config{ImportFrom: "file:///srv/in", MaxFileBytes: 1000}, Files: files}
	if err := takeFiles(s, &c); err != nil || c.Uploads == nil || c.Source == nil || len(c.Checks) != 1 || c.Checks[0].Name != "files" || !c.Checks[0].Minor {
		t.Errorf("with a place: %+v, %v", c, err)
	}
	if _, err := c.Uploads.Receive(t.Context(), "ann", "", "", strings.NewReader(strings.Repeat("x", 1001))); err == nil {
		t.Error("a file of any size is taken")
	}
	s.Config.ImportFrom = "file://"
	if err := takeFiles(s, &c); err == nil || !strings.Contains(err.Error(), "MUSTER_IMPORT_FROM") {
		t.Errorf("a place to import from that is none: %v", err)
	}
}
