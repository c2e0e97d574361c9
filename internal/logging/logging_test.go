package logging_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/musterhq/muster/internal/logging"
	"github.com/musterhq/muster/internal/tracing"
)

func TestHandler(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	text := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	log := slog.New(logging.NewHandler(text)).With("part", "x")
	ctx := logging.WithRequest(t.Context(), "r-1")
	traced := tracing.Continue(ctx, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	log.InfoContext(t.Context(), "none")
	log.InfoContext(ctx, "of a request")
	log.InfoContext(ctx, "has its own", "request", "r-2")
	log.InfoContext(traced, "traced")
	log.With("request", "r-3", "trace", "t-3").InfoContext(traced, "has both")
	want := `msg=none part=x
msg="of a request" part=x request=r-1
msg="has its own" part=x request=r-2
msg=traced part=x request=r-1 trace=0af7651916cd43dd8448eb211c80319c
msg="has both" part=x request=r-3 trace=t-3
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
