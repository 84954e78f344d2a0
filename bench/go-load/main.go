// Command go-load is both ends of the gateway's bench: `serve` is the upstream, `drive` the callers. It is in Go because a
// load generator in Node is slower than what it measures.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
)

type config struct {
	// Chain is a PEM file, leaf first; Key its PKCS#8 key; Anchors the trust bundle.
	Chain   string `json:"chain"`
	Key     string `json:"key"`
	Anchors string `json:"anchors"`

	// Answer is what `serve` sends to each request. Answers to tools/list are List.
	Answer string `json:"answer"`
	List   string `json:"list"`

	Address     string            `json:"address"`
	Path        string            `json:"path"`
	Headers     map[string]string `json:"headers"`
	Body        string            `json:"body"`
	Want        string            `json:"want"`
	Connections int               `json:"connections"`
	Seconds     float64           `json:"seconds"`
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
	var c config
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		return err
	}
	identity, err := tls.LoadX509KeyPair(c.Chain, c.Key)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(c.Anchors)
	if err != nil {
		return err
	}
	anchors := x509.NewCertPool()
	anchors.AppendCertsFromPEM(pem)
	switch os.Args[1] {
	case "serve":
		return serve(c, identity, anchors)
	case "drive":
		return drive(c, identity, anchors)
	}
	return fmt.Errorf("want=serve|drive got=%q", os.Args[1])
}
