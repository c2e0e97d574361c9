package deployments_test

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/job"
)

// Each process, with files in a folder or in a bucket, accepts the settings that its service gives it, with the secrets that secrets.sh makes.
func TestSettings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	var made string
	for range 2 { // the second run keeps what is there
		if out, err := exec.Command("sh", "secrets.sh", dir).CombinedOutput(); err != nil {
			t.Fatalf("secrets.sh: %v: %s", err, out)
		}
		password, err := os.ReadFile(filepath.Join(dir, "mysql_password.txt"))
		if err != nil || made != "" && made != string(password) {
			t.Fatalf("secrets.sh made another password, or none: %v", err)
		}
		made = string(password)
	}
	for _, in := range []string{"folder", "s3"} {
		p := projectOf(t, types.Mapping{"MUSTER_FILES_IN": in}, "*")
		files := map[string]string{} // where a secret lies in a container -> where it lies here
		for name, secret := range p.Secrets {
			files["/run/secrets/"+name] = filepath.Join(dir, filepath.Base(secret.File))
		}
		for name, s := range p.Services {
			if s.Build != nil {
				t.Run(name+" "+in, func(t *testing.T) { checkSettings(t, s, files, strings.TrimSpace(made)) })
			}
		}
	}
}

func checkSettings(t *testing.T, s types.ServiceConfig, files map[string]string, mysqlPassword string) {
	for name, value := range s.Environment {
		if file, ok := files[*value]; ok {
			value = &file
		}
		t.Setenv(name, *value)
	}
	var c config.Config
	parser, err := kong.New(&c, kong.Vars{"tiers": job.DefaultTiers})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if err := c.LoadSecrets(os.Getenv); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Errorf("the settings are refused:\n%v", err)
	}
	u, err := url.Parse(c.Database)
	if err != nil {
		t.Fatal("the database URL is none") // the error would print it, password and all
	}
	if pw, _ := u.User.Password(); pw != mysqlPassword || len(pw) < 32 || u.Host != "mysql:3306" {
		t.Errorf("the database at %s gets another password than MySQL, or a short one", u.Host)
	}
	if s.HealthCheck == nil {
		return // the migration, and the doctor
	}
	if grace := time.Duration(*s.StopGracePeriod); grace < c.DrainTimeout+2*time.Second {
		t.Errorf("it is killed after %s, in the middle of its drain of %s", grace, c.DrainTimeout)
	}
	checkHealthAddress(t, s, &c)
}

// The health check asks where the process listens.
func checkHealthAddress(t *testing.T, s types.ServiceConfig, c *config.Config) {
	t.Helper()
	listens := c.HTTPAddr
	if s.Name == "worker" {
		listens = c.HealthAddr
	}
	_, want, err := net.SplitHostPort(listens)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.HealthCheck.Test[len(s.HealthCheck.Test)-1])
	if err != nil || u.Hostname() != "127.0.0.1" || u.Port() != want {
		t.Errorf("its health is asked at %v, but it listens at %s (%v)", u, listens, err)
	}
}
