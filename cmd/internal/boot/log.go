package boot

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"github.com/redis/go-redis/v9"
	"golang.org/x/term"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/logging"
)

// Log returns the process's logger: text on a terminal, JSON elsewhere, unless the settings say which.
func Log(c *config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // one of the four, by the setting's enum
	f, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	if c.LogFormat == "json" || c.LogFormat == "auto" && !terminal {
		return slog.New(logging.NewHandler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})))
	}
	return slog.New(logging.NewHandler(tint.NewTextHandler(w, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: !terminal || os.Getenv("NO_COLOR") != "",
	})))
}

// logLibraries makes log the logger of libraries that would write to standard error in a form of their own. Those that
// belong to a server or a store are given it where they are made.
func logLibraries(log *slog.Logger) {
	slog.SetDefault(log) // and, by it, of package log, which asynqmon, goose and net/http write to
	redis.SetLogger(redisLog{log.With("part", "redis")})
}

// SilenceLibraries keeps libraries from writing, for commands that have no log.
func SilenceLibraries() { logLibraries(slog.New(slog.DiscardHandler)) }

// redisLog lets go-redis log through slog. It has no levels: a Sentinel that was asked looks the same as a connection that was
// lost, and that comes back as an error, too.
type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.InfoContext(ctx, "redis", "says", fmt.Sprintf(format, v...))
}
