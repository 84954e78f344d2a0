// Command go-load is both ends of the benches of the gateway: `serve` is the upstream, `drive` the callers. It is in Go because a
// load generator in Node is slower than what it measures. Each ends with its standard input.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
)

type identity struct {
	// Chain is a PEM file, leaf first; Key its PKCS#8 key.
	Chain string `json:"chain"`
	Key   string `json:"key"`
}

type config struct {
	// Identities take turns: the first connection has the first.
	Identities []identity `json:"identities"`
	// Anchors is a PEM file, the trust bundle.
	Anchors string `json:"anchors"`

	// Answer is what `serve` sends to each request, with the request's id in place of its own; other methods have others.
	Answer  string            `json:"answer"`
	Answers map[string]string `json:"answers"`

	Address     string            `json:"address"`
	Path        string            `json:"path"`
	Headers     map[string]string `json:"headers"`
	Body        string            `json:"body"`
	Want        string            `json:"want"`
	Connections int               `json:"connections"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "go-load:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: go-load serve|drive, with a configuration on standard input")
	}
	input := json.NewDecoder(os.Stdin)
	var c config
	if err := input.Decode(&c); err != nil {
		return err
	}
	var certificates []tls.Certificate
	for _, each := range c.Identities {
		certificate, err := tls.LoadX509KeyPair(each.Chain, each.Key)
		if err != nil {
			return err
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return fmt.Errorf("want=one identity at least")
	}
	pem, err := os.ReadFile(c.Anchors)
	if err != nil {
		return err
	}
	anchors := x509.NewCertPool()
	anchors.AppendCertsFromPEM(pem)
	switch os.Args[1] {
	case "serve":
		return serve(c, input, certificates[0], anchors)
	case "drive":
		return drive(c, input, certificates, anchors)
	}
	return fmt.Errorf("want=serve|drive got=%q", os.Args[1])
}
