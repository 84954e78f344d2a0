// Command verifier verifies a Txn-Token as docs/TXN-TOKEN.md says, for tool servers in Go behind a Countersign gateway.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
)

const (
	tokenOctetsMax = 8192
	lifetimeMax    = 60 * time.Second
	skew           = 5 * time.Second
)

// What is wrong with a token.
var (
	errMalformed = errors.New("malformed")
	errSignature = errors.New("signature")
	errBinding   = errors.New("binding")
	errIssuer    = errors.New("issuer")
	errAudience  = errors.New("audience")
	errExpired   = errors.New("expired")
	errCall      = errors.New("call")
)

var (
	compact  = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)
	spiffeID = regexp.MustCompile(`^spiffe://([a-z0-9._-]+)(/[A-Za-z0-9._-]+)+$`)
	scopeOf  = regexp.MustCompile(
		`^([a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?):([A-Za-z0-9_.-]{1,128}|[A-Za-z0-9_.-]{0,127}\*)$`)
)

// Here is what this tool server knows without the token.
type Here struct {
	TrustDomain string
	// SpiffeID is our own.
	SpiffeID string
	// Server is our name in the gateway's configuration; empty where our SPIFFE ID alone says who we are.
	Server string
}

// Caller is who asks.
type Caller struct {
	SpiffeID, Tenant, Role, TransactionID string
}

// Claims are pointers where one that is missing is not one that is zero.
type claims struct {
	Txn          string  `json:"txn"`
	Subject      string  `json:"sub"`
	Audience     string  `json:"aud"`
	Issuer       string  `json:"iss"`
	IssuedAt     *uint64 `json:"iat"`
	Expires      *uint64 `json:"exp"`
	Scope        string  `json:"scope"`
	Workload     string  `json:"req_wl"`
	Confirmation struct {
		Thumbprint string `json:"x5t#S256"`
	} `json:"cnf"`
	Context struct {
		Server          string   `json:"server"`
		Method          string   `json:"method"`
		Tool            string   `json:"tool"`
		TargetSHA256    string   `json:"targetSha256"`
		ArgumentsSHA256 string   `json:"argumentsSha256"`
		Tenant          string   `json:"tenant"`
		Role            string   `json:"role"`
		ToolScopes      []string `json:"toolScopes"`
	} `json:"tctx"`
}

// Verify says who asks for what is in body. The peer is the gateway's certificate on this very connection, verified.
func Verify(token string, peer *x509.Certificate, body []byte, here Here, now time.Time) (*Caller, error) {
	c, err := signedClaims(token, peer)
	if err != nil {
		return nil, err
	}
	if len(peer.URIs) != 1 || c.Issuer != peer.URIs[0].String() {
		return nil, errIssuer
	}
	if c.Audience != here.SpiffeID || (here.Server != "" && c.Context.Server != here.Server) {
		return nil, errAudience
	}
	if c.Confirmation.Thumbprint != thumbprint(peer) {
		return nil, errBinding
	}
	if err := c.inTime(now); err != nil {
		return nil, err
	}
	if err := c.isFor(body); err != nil {
		return nil, err
	}
	return c.caller(here)
}

func signedClaims(token string, peer *x509.Certificate) (*claims, error) {
	if len(token) > tokenOctetsMax || !compact.MatchString(token) {
		return nil, errMalformed
	}
	algorithm, ok := algorithmOf(peer.PublicKey)
	if !ok {
		return nil, errSignature
	}
	message, err := jws.Parse([]byte(token), jws.WithCompact())
	if err != nil {
		return nil, errSignature
	}
	// The key says which algorithm it is, and the header has no say in it.
	payload, err := jws.Verify([]byte(token), jws.WithKey(algorithm, peer.PublicKey), jws.WithCompact())
	if err != nil {
		return nil, errSignature
	}
	header := message.Signatures()[0].ProtectedHeaders()
	// The library takes a header that says another one, and extensions that it does not know (RFC 7515 §4.1.11).
	if said, _ := header.Algorithm(); said != algorithm || header.Has(jws.CriticalKey) {
		return nil, errSignature
	}
	if kind, _ := header.Type(); kind != "txntoken+jwt" {
		return nil, errMalformed
	}
	if bound, _ := header.X509CertThumbprintS256(); bound != thumbprint(peer) {
		return nil, errBinding
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, errMalformed
	}
	for _, text := range []string{
		c.Txn, c.Subject, c.Audience, c.Issuer, c.Scope, c.Workload, c.Confirmation.Thumbprint,
		c.Context.Server, c.Context.Method, c.Context.ArgumentsSHA256,
	} {
		if text == "" {
			return nil, errMalformed
		}
	}
	if c.IssuedAt == nil || c.Expires == nil || c.Context.ToolScopes == nil {
		return nil, errMalformed
	}
	return &c, nil
}

func (c *claims) inTime(now time.Time) error {
	if *c.IssuedAt > 1<<40 || *c.Expires > 1<<40 {
		return errExpired
	}
	issued, ends := time.Unix(int64(*c.IssuedAt), 0), time.Unix(int64(*c.Expires), 0)
	life := ends.Sub(issued)
	if life <= 0 || life > lifetimeMax || issued.After(now.Add(skew)) || !ends.After(now.Add(-skew)) {
		return errExpired
	}
	return nil
}

// The digest of arguments is over their octets as they stand, which json.RawMessage keeps.
func (c *claims) isFor(body []byte) error {
	var message struct {
		Method string `json:"method"`
		Params struct {
			Name      string          `json:"name"`
			URI       string          `json:"uri"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"params"`
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&message); err != nil {
		return errCall
	}
	context := &c.Context
	target := message.Params.Name
	if target == "" {
		target = message.Params.URI
	}
	scope := context.Server
	if context.Tool != "" {
		scope += ":" + context.Tool
	}
	isNamed := context.TargetSHA256 == digest([]byte(target))
	if message.Method == "tools/call" {
		isNamed = context.Tool == target
	}
	if context.Method != message.Method || !isNamed || c.Scope != scope ||
		context.ArgumentsSHA256 != digest(message.Params.Arguments) {
		return errCall
	}
	return nil
}

func (c *claims) caller(here Here) (*Caller, error) {
	subject := spiffeID.FindStringSubmatch(c.Subject)
	if subject == nil {
		return nil, errMalformed
	}
	isCovered := false
	for _, text := range c.Context.ToolScopes {
		scope := scopeOf.FindStringSubmatch(text)
		if scope == nil {
			return nil, errMalformed
		}
		isCovered = isCovered || (scope[1] == c.Context.Server && covers(scope[2], c.Context.Tool))
	}
	if subject[1] != here.TrustDomain || c.Workload != c.Subject {
		return nil, errIssuer
	}
	if !isCovered {
		return nil, errCall
	}
	return &Caller{c.Subject, c.Context.Tenant, c.Context.Role, c.Txn}, nil
}

// What is no tool needs any scope of its server.
func covers(pattern, tool string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(tool, prefix) || tool == ""
	}
	return tool == pattern || tool == ""
}

func algorithmOf(key any) (jwa.SignatureAlgorithm, bool) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve.Params().Name {
		case "P-256":
			return jwa.ES256(), true
		case "P-384":
			return jwa.ES384(), true
		case "P-521":
			return jwa.ES512(), true
		}
	case *rsa.PublicKey:
		return jwa.PS256(), true
	case ed25519.PublicKey:
		return jwa.EdDSAEd25519(), true
	}
	return jwa.EmptySignatureAlgorithm(), false
}

func thumbprint(peer *x509.Certificate) string { return digest(peer.Raw) }

func digest(octets []byte) string {
	sum := sha256.Sum256(octets)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
