package main

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
)

// startDev runs `muster dev` until the test ends, and returns where its API listens.
func startDev(t *testing.T, args ...string) (api string) {
	t.Helper()
	api, _ = startDevAndAdmin(t, args...)
	return api
}

// startDevAndAdmin is startDev that also returns where the pages for operators are.
func startDevAndAdmin(t *testing.T, args ...string) (api, admin string) {
	t.Helper()
	return startDevLogging(t, t.Output(), args...)
}

// startDevLogging is startDevAndAdmin with a log that the test reads.
func startDevLogging(t *testing.T, log io.Writer, args ...string) (api, admin string) {
	t.Helper()
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := execute(append([]string{"dev"}, args...), &process{ctx: t.Context(), stdout: write, stderr: log})
		_ = write.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Errorf("dev: %v", err)
		}
	})
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 2 && words[0] == "API":
			api = strings.TrimSuffix(words[1], "/docs")
		case len(words) == 2 && words[0] == "queue":
			go func() { _, _ = io.Copy(io.Discard, read) }()
			return api, strings.TrimSuffix(words[1], "/monitoring")
		}
	}
	t.Fatal("it does not say where the API is: ", lines.Err())
	return "", ""
}

// said is what a command printed, and how it ended.
type said struct {
	out, err string
	failure  error
}

// muster runs a command line.
func muster(t *testing.T, args ...string) said {
	t.Helper()
	var out, err bytes.Buffer
	failure := execute(args, &process{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &err})
	return said{out: out.String(), err: err.String(), failure: failure}
}

// copyAndClose copies what comes from one connection to another until either ends, and ends both.
func copyAndClose(from, to io.ReadWriteCloser) (int64, error) {
	n, err := io.Copy(to, from)
	_, _ = from.Close(), to.Close()
	return n, err
}
