package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// bar shows how far something is: a bar on a terminal, else a line now and then.
type bar struct {
	out   io.Writer
	unit  string
	total int64 // 0: unknown
	start time.Time
	from  int64 // what was done at the start; -1: not known yet

	drawn *mpb.Progress // nil in a pipe
	line  *mpb.Bar
	shown int64 // in a pipe: the last tenth, or second, that was printed
}

// newBar shows progress on out; total is 0 when it is not known.
func newBar(out io.Writer, unit string, total int64) *bar {
	b := &bar{out: out, unit: unit, total: total, start: time.Now(), from: -1, shown: -1}
	if !interactive(out) {
		return b
	}
	b.drawn = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
	count := decor.Any(func(s decor.Statistics) string {
		if total == 0 {
			return b.amount(s.Current)
		}
		return b.amount(s.Current) + " / " + b.amount(s.Total)
	})
	b.line = b.drawn.AddBar(total, mpb.PrependDecorators(count),
		mpb.AppendDecorators(decor.OnCondition(decor.Percentage(), total > 0), decor.Name("  "), decor.Elapsed(decor.ET_STYLE_GO)))
	return b
}

// set shows that n of the units are done.
func (b *bar) set(n int64) {
	if b.drawn != nil {
		b.line.SetCurrent(n)
		return
	}
	if b.from < 0 {
		b.from = n
	}
	elapsed := time.Since(b.start)
	rate := int64(float64(n-b.from) / max(elapsed.Seconds(), 0.1)) // the first moments say nothing about a second
	if b.total == 0 {
		if second := int64(elapsed.Seconds()); second > max(b.shown, 0) {
			b.shown = second
			fmt.Fprintf(b.out, "  %s%s\n", b.amount(n), b.rate(rate))
		}
		return
	}
	if tenth := n * 10 / b.total; tenth > b.shown {
		b.shown = tenth
		fmt.Fprintf(b.out, "  %3d %%  %s%s\n", n*100/b.total, b.amount(n), b.rate(rate))
	}
}

// ofBytes is the unit of what is counted in bytes.
const ofBytes = "bytes"

func (b *bar) amount(n int64) string {
	if b.unit == ofBytes {
		return byteSize(n)
	}
	return fmt.Sprintf("%d %s", n, b.unit)
}

// rate is how fast it goes; nothing while that is not known.
func (b *bar) rate(n int64) string {
	switch {
	case n == 0:
		return ""
	case b.unit == ofBytes:
		return ", " + byteSize(n) + " a second"
	}
	return ", " + strconv.FormatInt(n, 10) + " a second"
}

// byteSize is a number of bytes as people read it: 1.5 MiB.
func byteSize(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("% .1f", decor.SizeB1024(n))
}

// say prints a line, above the bar.
func (b *bar) say(text string) {
	out := b.out
	if b.drawn != nil {
		out = b.drawn
	}
	fmt.Fprintln(out, "  "+text)
}

// end stops drawing and leaves the bar as it is.
func (b *bar) end() {
	if b.drawn != nil {
		b.line.Abort(false) // no effect on a bar that is full
		b.drawn.Wait()
	}
}

// interactive reports whether a person is at the other end of an io.Reader or io.Writer.
func interactive(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
