// Command x509-verify says what crypto/x509 makes of certificates: each line that comes in is a path in JSON, each line that goes out is
// empty where Go's TLS would take the leaf as a server of that name and as a client, and says why where it would not.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"
)

type path struct {
	Leaf          []byte   `json:"leaf"`
	Intermediates [][]byte `json:"intermediates"`
	Anchors       [][]byte `json:"anchors"`
	DNSName       string   `json:"dnsName"`
	// Milliseconds since 1970.
	Now int64 `json:"now"`
}

func pool(ders [][]byte) (*x509.CertPool, error) {
	certificates := x509.NewCertPool()
	for _, der := range ders {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		certificates.AddCert(certificate)
	}
	return certificates, nil
}

func verify(p path) error {
	leaf, err := x509.ParseCertificate(p.Leaf)
	if err != nil {
		return err
	}
	intermediates, err := pool(p.Intermediates)
	if err != nil {
		return err
	}
	anchors, err := pool(p.Anchors)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{Intermediates: intermediates, Roots: anchors, CurrentTime: time.UnixMilli(p.Now)}
	options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := leaf.Verify(options); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	options.DNSName = p.DNSName
	if _, err := leaf.Verify(options); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	return nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var p path
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			log.Fatal(err)
		}
		said := ""
		if err := verify(p); err != nil {
			said = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(said)
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
