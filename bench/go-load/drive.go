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
	"time"
)

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

// drive sends the same request again and again over kept-alive connections, one at a time on each.
func drive(c config, identity tls.Certificate, anchors *x509.CertPool) error {
	request := format(c)
	callers := make([]caller, c.Connections)
	connections := make([]*tls.Conn, c.Connections)
	for i := range connections {
		connection, err := tls.Dial("tcp", c.Address, &tls.Config{
			MinVersion:   tls.VersionTLS13,
			Certificates: []tls.Certificate{identity},
			// A SPIFFE certificate names no host: its chain is verified, its name is not.
			InsecureSkipVerify: true,
			VerifyConnection:   verify(anchors),
		})
		if err != nil {
			return err
		}
		defer connection.Close()
		connections[i] = connection
	}
	started := time.Now()
	until := started.Add(time.Duration(c.Seconds * float64(time.Second)))
	done := make(chan struct{})
	for i := range callers {
		go func() {
			callers[i] = call(connections[i], request, []byte(c.Want), until)
			done <- struct{}{}
		}()
	}
	for range callers {
		<-done
	}
	return report(callers, time.Since(started))
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

func format(c config) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "POST %s HTTP/1.1\r\n", c.Path)
	for name, value := range c.Headers {
		fmt.Fprintf(&text, "%s: %s\r\n", name, value)
	}
	fmt.Fprintf(&text, "Content-Length: %d\r\n\r\n%s", len(c.Body), c.Body)
	return []byte(text.String())
}

func call(connection *tls.Conn, request, want []byte, until time.Time) caller {
	made := caller{statuses: map[int]int{}}
	reader := bufio.NewReader(connection)
	for {
		started := time.Now()
		if started.After(until) {
			return made
		}
		if _, err := connection.Write(request); err != nil {
			made.err = err
			return made
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			made.err = err
			return made
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			made.err = err
			return made
		}
		made.latencies = append(made.latencies, time.Since(started))
		made.statuses[response.StatusCode]++
		if !bytes.Contains(body, want) {
			made.wrong++
		}
	}
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
