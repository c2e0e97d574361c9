package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"code.dny.dev/ssrf"
)

const (
	// sendWithin is how long an attempt may take, as the specification proposes.
	sendWithin = 15 * time.Second
	// MaxAnswer is how many bytes of an answer are kept.
	MaxAnswer = 512
)

// Why an attempt failed.
const (
	ErrStatus     = "status"             // the answer is not 2xx
	ErrRedirect   = "redirect"           // it leads elsewhere, which is not followed
	ErrTimeout    = "timeout"            // no answer within 15 s
	ErrRefused    = "address_refused"    // the address is one that is never sent to
	ErrName       = "name_not_found"     // DNS knows no address
	ErrTLS        = "tls"                // the certificate is not good, or it is no TLS
	ErrConnection = "connection_failed"  // anything else
	ErrInvalid    = "address_not_usable" // no request can be made of it
)

// Sender sends deliveries.
type Sender struct {
	client *http.Client
}

// NewSender returns a Sender that connects to what the guard allows.
func NewSender(g *Guard) *Sender { return newSender(g, net.DefaultResolver) }

func newSender(g *Guard, names *net.Resolver) *Sender {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: g.Control, Resolver: names}
	return &Sender{client: &http.Client{
		Timeout: sendWithin,
		Transport: &http.Transport{
			Proxy:       nil, // one from the environment would be asked to connect to what the guard refuses
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Result is what became of an attempt.
type Result struct {
	Status int
	Error  string // empty: delivered
	Answer string
	After  time.Duration // how long the receiver asked to wait; 0: it did not
	Took   time.Duration
}

// Gone reports whether the receiver wants no more.
func (r *Result) Gone() bool { return r.Status == http.StatusGone }

// Send makes one attempt to deliver a body under an id, signed with each of the secrets.
func (s *Sender) Send(ctx context.Context, address, id string, body []byte, secrets []string, now time.Time) (r Result) {
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return Result{Error: ErrInvalid}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Muster")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", Signature(secrets, id, now, body))
	res, err := s.client.Do(req)
	if err != nil {
		return Result{Error: why(err)}
	}
	defer func() { _ = res.Body.Close() }()
	// A receiver may answer without an end: what is kept is bounded, and the time is.
	head, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswer))
	r = Result{Status: res.StatusCode, Answer: text(head)}
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		_ = err // it has it: what it says about it is of no account
	case res.StatusCode >= 300 && res.StatusCode < 400:
		r.Error = ErrRedirect
	default:
		r.Error = ErrStatus
	}
	r.After = retryAfter(res.Header.Get("Retry-After"), now)
	return r
}

// Signature returns the header webhook-signature: one signature for each secret.
func Signature(secrets []string, id string, at time.Time, body []byte) string {
	signatures := make([]string, 0, len(secrets))
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil {
			continue // none of ours
		}
		mac := hmac.New(sha256.New, key)
		_, _ = io.WriteString(mac, id+"."+strconv.FormatInt(at.Unix(), 10)+".")
		_, _ = mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " ")
}

// why returns the code of an error of a request.
func why(err error) string {
	if errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrInvalidHostPort) {
		return ErrRefused
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return ErrTimeout
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return ErrName
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return ErrTLS
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return ErrTLS
	}
	return ErrConnection
}

// retryAfter returns the wait that the header asks for, in seconds or as a date; 0: none.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// text returns bytes as text that a database and a page can take.
func text(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), ""))
}
