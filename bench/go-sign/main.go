// Command go-sign is the peer of bench/sign.ts: it signs leaves of one shape with crypto/x509, the library of every Go signer.
//
// The first line of standard input is the shape, one JSON object. Each line after it is a round, the milliseconds to sign for;
// the answer to a round is one line, the certificates signed and the nanoseconds it took. At the end of input it ends.
package main

import (
	"bufio"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"strconv"
	"time"
)

// A shape is what every certificate of the run says, but for its serial number.
type shape struct {
	CertificatePem string `json:"certificatePem"`
	PrivateKeyPem  string `json:"privateKeyPem"`
	Spki           []byte `json:"spki"`
	SubjectKeyID   []byte `json:"subjectKeyId"`
	URI            string `json:"uri"`
	DNSName        string `json:"dnsName"`
	ExtensionOID   []int  `json:"extensionOid"`
	Extension      []byte `json:"extension"`
	LifetimeSecond int    `json:"lifetimeSeconds"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "go-sign:", err)
		os.Exit(1)
	}
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<16), 1<<20)
	if !lines.Scan() {
		return fmt.Errorf("no shape on standard input: %w", lines.Err())
	}
	sign, err := newSigner(lines.Bytes())
	if err != nil {
		return err
	}
	for lines.Scan() {
		milliseconds, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		signed := 0
		begin := time.Now()
		for time.Since(begin) < time.Duration(milliseconds)*time.Millisecond {
			der, err := sign()
			if err != nil {
				return err
			}
			if signed == 0 {
				if _, err := x509.ParseCertificate(der); err != nil {
					return err
				}
			}
			signed++
		}
		fmt.Println(signed, time.Since(begin).Nanoseconds())
	}
	return lines.Err()
}

func newSigner(line []byte) (func() ([]byte, error), error) {
	var s shape
	if err := json.Unmarshal(line, &s); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(s.CertificatePem))
	parent, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	block, _ = pem.Decode([]byte(s.PrivateKeyPem))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	subject, err := x509.ParsePKIXPublicKey(s.Spki)
	if err != nil {
		return nil, err
	}
	uri, err := url.Parse(s.URI)
	if err != nil {
		return nil, err
	}
	noRevAvail := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 56}, Value: []byte{5, 0}}
	binding := pkix.Extension{Id: s.ExtensionOID, Value: s.Extension}
	return func() ([]byte, error) {
		serial := make([]byte, 16)
		if _, err := rand.Read(serial); err != nil {
			return nil, err
		}
		serial[0] = serial[0]&0x7f | 0x40
		notBefore := time.Now().UTC().Truncate(time.Second).Add(-90 * time.Second)
		template := &x509.Certificate{
			SerialNumber:          new(big.Int).SetBytes(serial),
			NotBefore:             notBefore,
			NotAfter:              notBefore.Add(time.Duration(s.LifetimeSecond) * time.Second),
			KeyUsage:              x509.KeyUsageDigitalSignature,
			ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			BasicConstraintsValid: true,
			SubjectKeyId:          s.SubjectKeyID,
			DNSNames:              []string{s.DNSName},
			URIs:                  []*url.URL{uri},
			ExtraExtensions:       []pkix.Extension{noRevAvail, binding},
		}
		return x509.CreateCertificate(rand.Reader, template, parent, subject, key.(crypto.Signer))
	}, nil
}
