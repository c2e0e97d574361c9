package httpapi

import (
	"errors"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// slowClient takes some time for each piece, by a clock that the test owns.
type slowClient struct {
	*httptest.ResponseRecorder
	clock, deadline time.Time
	takes           time.Duration // for streamPiece bytes
}

func (c *slowClient) SetWriteDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

func (c *slowClient) Write(p []byte) (int, error) {
	until := c.clock.Add(c.takes * time.Duration(len(p)) / streamPiece)
	if until.After(c.deadline) {
		c.clock = c.deadline
		return 0, os.ErrDeadlineExceeded
	}
	c.clock = until
	return len(p), nil
}

func TestSlowClientsAreCut(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		takes, pause time.Duration // the client for a piece, the database for the next
		piece        int
		pieces       int // that arrive of 100,000
	}{
		"fast":                    {takes: time.Millisecond, piece: streamPiece, pieces: 100_000},
		"just fast enough":        {takes: time.Second, piece: streamPiece, pieces: 100_000},
		"a slow database":         {takes: time.Second, pause: time.Hour, piece: 300, pieces: 100_000},
		"not a piece within 30 s": {takes: 31 * time.Second, piece: streamPiece, pieces: 0},
		"28 s a piece":            {takes: 28 * time.Second, piece: streamPiece, pieces: 2},
		"half as fast":            {takes: 2 * time.Second, piece: streamPiece, pieces: 61},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &slowClient{ResponseRecorder: httptest.NewRecorder(), takes: test.takes}
			s := &Server{now: func() time.Time { return c.clock }}
			out, piece := s.newStream(c), make([]byte, test.piece)
			for i := range 100_000 {
				if _, err := out.Write(piece); err != nil {
					if !errors.Is(err, os.ErrDeadlineExceeded) || i != test.pieces {
						t.Errorf("piece %d: %v, want %d pieces", i, err, test.pieces)
					}
					return
				}
				c.clock = c.clock.Add(test.pause)
			}
			if test.pieces != 100_000 {
				t.Errorf("never cut, want %d pieces", test.pieces)
			}
		})
	}
}
