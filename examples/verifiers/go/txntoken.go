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
	"io"
	"regexp"
	"slices"
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
		Tool            *string  `json:"tool"`
		TargetSHA256    *string  `json:"targetSha256"`
		ArgumentsSHA256 string   `json:"argumentsSha256"`
		Tenant          *string  `json:"tenant"`
		Role            *string  `json:"role"`
		Models          []string `json:"models"`
		ToolScopes      []string `json:"toolScopes"`
		Pod             struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
			UID       string `json:"uid"`
		} `json:"pod"`
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
	if !c.isWhole() {
		return nil, errMalformed
	}
	return &c, nil
}

// Nothing is missing, and no text is empty.
func (c *claims) isWhole() bool {
	context := &c.Context
	texts := append([]string{
		c.Txn, c.Subject, c.Audience, c.Issuer, c.Scope, c.Workload, c.Confirmation.Thumbprint,
		context.Server, context.Method, context.ArgumentsSHA256,
		context.Pod.Namespace, context.Pod.Name, context.Pod.UID,
	}, append(context.Models, context.ToolScopes...)...)
	for _, optional := range []*string{context.Tool, context.TargetSHA256, context.Tenant, context.Role} {
		if optional != nil {
			texts = append(texts, *optional)
		}
	}
	return !slices.Contains(texts, "") && c.IssuedAt != nil && c.Expires != nil &&
		context.Models != nil && context.ToolScopes != nil
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

func (c *claims) isFor(body []byte) error {
	method, target, arguments, err := asked(body)
	if err != nil {
		return errCall
	}
	context := &c.Context
	scope := context.Server
	if context.Tool != nil {
		scope += ":" + *context.Tool
	}
	isNamed := text(context.TargetSHA256) == digest([]byte(target))
	if method == "tools/call" {
		isNamed = text(context.Tool) == target
	}
	if context.Method != method || !isNamed || c.Scope != scope || context.ArgumentsSHA256 != digest(arguments) {
		return errCall
	}
	return nil
}

// Where in params stands what a request is about.
var targets = map[string]string{
	"tools/call": "name", "prompts/get": "name",
	"resources/read": "uri", "resources/subscribe": "uri", "resources/unsubscribe": "uri",
	"tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId", "tasks/result": "taskId",
}

// The method, what it is about, and the octets of its arguments as they stand.
func asked(body []byte) (method, target string, arguments []byte, err error) {
	message, err := members(body)
	if err != nil {
		return "", "", nil, err
	}
	params, err := members(message["params"])
	if err != nil {
		return "", "", nil, err
	}
	if err := json.Unmarshal(message["method"], &method); err != nil {
		return "", "", nil, err
	}
	raw := params[targets[method]]
	if method == "completion/complete" {
		reference, err := members(params["ref"])
		if err != nil {
			return "", "", nil, err
		}
		raw = reference["uri"]
		if string(reference["type"]) == `"ref/prompt"` {
			raw = reference["name"]
		}
	}
	if err := json.Unmarshal(raw, &target); err != nil || target == "" {
		return "", "", nil, errCall
	}
	return method, target, params["arguments"], nil
}

// The members of an object by their exact names, each as the octets that it is written with. A struct would take names in
// another case, and the last of two: an object that has a name twice, in whatever case, is refused.
func members(object []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errCall
	}
	found, folded := map[string]json.RawMessage{}, map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		if folded[strings.ToLower(name)] {
			return nil, errCall
		}
		found[name], folded[strings.ToLower(name)] = value, true
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errCall
	}
	return found, nil
}

func text(optional *string) string {
	if optional == nil {
		return ""
	}
	return *optional
}

func (c *claims) caller(here Here) (*Caller, error) {
	subject := spiffeID.FindStringSubmatch(c.Subject)
	if subject == nil {
		return nil, errMalformed
	}
	isCovered := false
	for _, each := range c.Context.ToolScopes {
		scope := scopeOf.FindStringSubmatch(each)
		if scope == nil {
			return nil, errMalformed
		}
		isCovered = isCovered || (scope[1] == c.Context.Server && covers(scope[2], text(c.Context.Tool)))
	}
	if subject[1] != here.TrustDomain || c.Workload != c.Subject {
		return nil, errIssuer
	}
	if !isCovered {
		return nil, errCall
	}
	return &Caller{c.Subject, text(c.Context.Tenant), text(c.Context.Role), c.Txn}, nil
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
