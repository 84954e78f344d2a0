package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// round is one line of standard input, and asks for one line of standard output.
type round struct {
	// Do is `call` (the default), `connect` or `handshake`.
	Do string `json:"do"`
	// Seconds bounds a round by time, Requests by number; one of them is set.
	Seconds  float64 `json:"seconds"`
	Requests int     `json:"requests"`
}

type result struct {
	Requests int         `json:"requests"`
	Seconds  float64     `json:"seconds"`
	P50      float64     `json:"p50Milliseconds"`
	P99      float64     `json:"p99Milliseconds"`
	Statuses map[int]int `json:"statuses"`
	// Wrong counts answers that do not hold what was wanted: a proxy that refuses everything is fast.
	Wrong int `json:"wrong"`
}

type caller struct {
	latencies []time.Duration
	statuses  map[int]int
	wrong     int
	err       error
}

type driver struct {
	config
	certificates []tls.Certificate
	anchors      *x509.CertPool
	connections  []*tls.Conn
}

// drive makes rounds as it is told. Connections are opened once, with the first round, and kept until the input ends.
func drive(c config, input *json.Decoder, certificates []tls.Certificate, anchors *x509.CertPool) error {
	d := &driver{config: c, certificates: certificates, anchors: anchors}
	defer func() {
		for _, connection := range d.connections {
			_ = connection.Close()
		}
	}()
	for {
		var r round
		if err := input.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		started := time.Now()
		callers, err := d.make(r)
		if err != nil {
			return err
		}
		if err := report(callers, time.Since(started)); err != nil {
			return err
		}
	}
}

func (d *driver) make(r round) ([]caller, error) {
	if r.Do == "handshake" {
		return d.each(r, func(at int) (func() (int, bool, error), error) {
			return func() (int, bool, error) {
				connection, err := d.dial(at)
				if err != nil {
					return 0, false, err
				}
				return 200, true, connection.Close()
			}, nil
		})
	}
	opened, err := d.connect()
	if err != nil || r.Do == "connect" {
		return []caller{opened}, err
	}
	request := format(d.config)
	return d.each(r, func(at int) (func() (int, bool, error), error) {
		reader := bufio.NewReader(d.connections[at])
		return func() (int, bool, error) { return d.call(d.connections[at], reader, request) }, nil
	})
}

// connect opens the connections that are not open yet.
func (d *driver) connect() (caller, error) {
	made := caller{statuses: map[int]int{}}
	for at := len(d.connections); at < d.Connections; at++ {
		started := time.Now()
		connection, err := d.dial(at)
		if err != nil {
			return made, err
		}
		d.connections = append(d.connections, connection)
		made.latencies = append(made.latencies, time.Since(started))
		made.statuses[200]++
	}
	return made, nil
}

func (d *driver) dial(at int) (*tls.Conn, error) {
	return tls.Dial("tcp", d.Address, &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{d.certificates[at%len(d.certificates)]},
		// A SPIFFE certificate names no host: its chain is verified, its name is not.
		InsecureSkipVerify: true,
		VerifyConnection:   verify(d.anchors),
	})
}

func verify(anchors *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		intermediates := x509.NewCertPool()
		for _, certificate := range state.PeerCertificates[1:] {
			intermediates.AddCert(certificate)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots:         anchors,
			Intermediates: intermediates,
			KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		return err
	}
}

// each does the same again and again, once at a time on each connection, until the round is over.
func (d *driver) each(r round, open func(at int) (func() (int, bool, error), error)) ([]caller, error) {
	callers := make([]caller, d.Connections)
	until := time.Now().Add(time.Duration(r.Seconds * float64(time.Second)))
	var running sync.WaitGroup
	for at := range callers {
		act, err := open(at)
		if err != nil {
			return nil, err
		}
		share := r.Requests / d.Connections
		if at < r.Requests%d.Connections {
			share++
		}
		running.Go(func() {
			made := caller{statuses: map[int]int{}}
			for {
				started := time.Now()
				if r.Requests == 0 && started.After(until) || r.Requests > 0 && len(made.latencies) == share {
					break
				}
				status, right, err := act()
				if err != nil {
					made.err = err
					break
				}
				made.latencies = append(made.latencies, time.Since(started))
				made.statuses[status]++
				if !right {
					made.wrong++
				}
			}
			callers[at] = made
		})
	}
	running.Wait()
	return callers, nil
}

func format(c config) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "POST %s HTTP/1.1\r\n", c.Path)
	for name, value := range c.Headers {
		fmt.Fprintf(&text, "%s: %s\r\n", name, value)
	}
	fmt.Fprintf(&text, "Content-Length: %d\r\n\r\n%s", len(c.Body), c.Body)
	return []byte(text.String())
}

func (d *driver) call(connection *tls.Conn, reader *bufio.Reader, request []byte) (int, bool, error) {
	if _, err := connection.Write(request); err != nil {
		return 0, false, err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return 0, false, err
	}
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, bytes.Contains(body, []byte(d.Want)), err
}

func report(callers []caller, elapsed time.Duration) error {
	total := result{Seconds: elapsed.Seconds(), Statuses: map[int]int{}}
	var latencies []time.Duration
	var failures []error
	for _, made := range callers {
		latencies = append(latencies, made.latencies...)
		total.Wrong += made.wrong
		for status, count := range made.statuses {
			total.Statuses[status] += count
		}
		if made.err != nil {
			failures = append(failures, made.err)
		}
	}
	if len(failures) > 0 || len(latencies) == 0 {
		return errors.Join(append(failures, errors.New("a connection broke, or nothing was answered"))...)
	}
	slices.Sort(latencies)
	total.Requests = len(latencies)
	at := func(quantile float64) float64 {
		return float64(latencies[int(quantile*float64(len(latencies)-1))].Microseconds()) / 1000
	}
	total.P50, total.P99 = at(0.5), at(0.99)
	return json.NewEncoder(os.Stdout).Encode(total)
}
