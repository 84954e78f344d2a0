// Reads a SPIFFE bundle from its endpoint as go-spiffe does, and says what it has read.
//
//	spiffe-bundle <trust domain> <url> web <PEM file of the web's roots>
//	spiffe-bundle <trust domain> <url> spiffe <PEM file of the trust domain's anchors> <SPIFFE ID of the endpoint>
package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

type read struct {
	TrustDomain        string   `json:"trustDomain"`
	Sequence           uint64   `json:"sequence"`
	RefreshHintSeconds float64  `json:"refreshHintSeconds"`
	Anchors            []string `json:"anchors"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 {
		return fmt.Errorf("want=trust domain, url, profile, file")
	}
	trustDomain, err := spiffeid.TrustDomainFromString(args[0])
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(args[3])
	if err != nil {
		return err
	}
	option, err := authentication(trustDomain, args[2], pem, args[4:])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	bundle, err := federation.FetchBundle(ctx, trustDomain, args[1], option)
	if err != nil {
		return err
	}
	said := read{TrustDomain: bundle.TrustDomain().Name(), Anchors: []string{}}
	said.Sequence, _ = bundle.SequenceNumber()
	if hint, ok := bundle.RefreshHint(); ok {
		said.RefreshHintSeconds = hint.Seconds()
	}
	for _, anchor := range bundle.X509Authorities() {
		sum := sha256.Sum256(anchor.Raw)
		said.Anchors = append(said.Anchors, hex.EncodeToString(sum[:]))
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}

func authentication(trustDomain spiffeid.TrustDomain, profile string, pem []byte, more []string) (federation.FetchOption, error) {
	if profile == "web" {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no roots")
		}
		return federation.WithWebPKIRoots(roots), nil
	}
	if len(more) != 1 {
		return nil, fmt.Errorf("want=SPIFFE ID of the endpoint")
	}
	id, err := spiffeid.FromString(more[0])
	if err != nil {
		return nil, err
	}
	anchors, err := x509bundle.Parse(trustDomain, pem)
	if err != nil {
		return nil, err
	}
	return federation.WithSPIFFEAuth(anchors, id), nil
}
