package dashboard

import (
	"fmt"
	"time"
)

// plotSteps is how many steps the plot of users a second has: five minutes.
const plotSteps = 60

// plot is users stored a second, over the last minutes.
type plot struct {
	Unknown         bool // the queue does not answer
	Now, Mean, Peak int64
	Top             int64 // of the scale
	Bars            []bar
}

// bar is a step of the plot, in the units of the drawing, which is 600 wide and 100 high.
type bar struct {
	X, Y, Width, Height int
	Title               string
}

// newPlot draws counts of users, one for each step, the last of which ends after now.
func newPlot(counts []int64, step time.Duration, now time.Time) *plot {
	p := &plot{}
	seconds := int64(step.Seconds())
	if len(counts) < 2 || seconds == 0 {
		p.Unknown = true
		return p
	}
	var sum int64
	for _, n := range counts {
		sum += n
		p.Peak = max(p.Peak, n/seconds)
	}
	p.Now, p.Mean = counts[len(counts)-2]/seconds, sum/seconds/int64(len(counts)) // the last step is not over
	p.Top = scale(p.Peak)
	width := 600 / len(counts)
	begin := now.Truncate(step).Add(-step * time.Duration(len(counts)-1))
	for i, n := range counts {
		rate := n / seconds
		height := int(rate * 100 / p.Top)
		if n > 0 {
			height = max(height, 1)
		}
		p.Bars = append(p.Bars, bar{
			X: i * width, Y: 100 - height, Width: width - 1, Height: height,
			Title: fmt.Sprintf("%s UTC: %s users a second", begin.Add(step*time.Duration(i)).UTC().Format(time.TimeOnly), number(rate)),
		})
	}
	return p
}

// scale returns the least of 10, 20, 50, 100 … that is not below the peak.
func scale(peak int64) int64 {
	for top := int64(10); ; top *= 10 {
		for _, f := range []int64{1, 2, 5} {
			if top*f >= peak {
				return top * f
			}
		}
	}
}
