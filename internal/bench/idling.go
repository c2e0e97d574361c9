package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// idle measures P12: what an API and a worker cost that have nothing to do any more.
func idle(ctx context.Context, l *lab) (result, error) {
	api, workers, err := l.fleet(ctx, 1)
	if err != nil {
		return result{}, err
	}
	idleTime := max(time.Duration(30*min(l.scale, 1))*time.Second, 10*time.Second)
	n := l.size(100_000)
	if _, err := importUsers(ctx, api, n); err != nil {
		return result{}, err
	}
	if _, _, err := export(ctx, api, "", n); err != nil {
		return result{}, err
	}
	// Go gives memory back after its next collection, which an idle process makes every two minutes.
	time.Sleep(max(time.Duration(150*min(l.scale, 1))*time.Second, 10*time.Second))
	if err := l.rdb.ConfigResetStat(ctx).Err(); err != nil {
		return result{}, err
	}
	processes := []*process{api, workers[0]}
	var before [2]time.Duration
	for i, p := range processes {
		if before[i], err = p.cpu(); err != nil {
			return result{}, err
		}
	}
	time.Sleep(idleTime)
	res := result{Values: make([]float64, 5)}
	for i, p := range processes {
		after, err := p.cpu()
		if err != nil {
			return result{}, err
		}
		res.Values[i] = 100 * (after - before[i]).Seconds() / idleTime.Seconds()
		if res.Values[3+i], err = p.memory("VmRSS"); err != nil {
			return result{}, err
		}
		anonymous, err := p.memory("RssAnon")
		if err != nil {
			return result{}, err
		}
		res.Details = append(res.Details, fmt.Sprintf("%s: %.0f MiB resident, of which %.0f MiB are its own and the rest pages of the program's file",
			[]string{"API", "worker"}[i], res.Values[3+i], anonymous))
	}
	info, err := l.rdb.Info(ctx, "commandstats").Result()
	if err != nil {
		return result{}, err
	}
	calls := callsIn(info)
	total := int64(0)
	for _, c := range calls {
		total += c.calls
	}
	res.Values[2] = float64(total) / idleTime.Seconds()
	var most []string
	for _, c := range calls[:min(8, len(calls))] {
		most = append(most, fmt.Sprintf("%s %.1f", c.name, float64(c.calls)/idleTime.Seconds()))
	}
	res.Details = append(res.Details, "commands a second, those in scripts included: "+strings.Join(most, ", "))
	return res, nil
}

// redisCalls is how often a command of Redis was called.
type redisCalls struct {
	name  string
	calls int64
}

// callsIn reads INFO commandstats, the most frequent command first.
func callsIn(info string) (list []redisCalls) {
	for line := range strings.Lines(info) {
		name, figures, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if !ok {
			continue
		}
		text, _, _ := strings.Cut(figures, ",")
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			list = append(list, redisCalls{name, n})
		}
	}
	slices.SortStableFunc(list, func(a, b redisCalls) int { return int(b.calls - a.calls) })
	return list
}

// cpu returns the processor time that the process has used.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything. After it the user's and the system's time are the 12th and 13th field.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
