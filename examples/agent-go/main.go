// An agent: the mounted certificate, an MCP client of the official SDK, the gateway.
package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

var (
	identity = cmp.Or(os.Getenv("IDENTITY"), "/var/run/countersign")
	gateway  = cmp.Or(os.Getenv("GATEWAY"), "https://countersign-gateway.countersign-system.svc/mcp")
	// The DNS name in the gateway's certificate, where it is reached by another one.
	serverName = os.Getenv("SERVER_NAME")
)

// mountedIdentity reads both files at each handshake, so that a new connection has what kubelet wrote last.
func mountedIdentity(folder, serverName string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: serverName,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			file := folder + "/credential-bundle.pem"
			certificate, err := tls.LoadX509KeyPair(file, file)
			return &certificate, err
		},
		// The anchors rotate, too: VerifyConnection below does what RootCAs would do with the anchors of one moment.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			text, err := os.ReadFile(folder + "/trust-bundle.pem")
			if err != nil {
				return err
			}
			anchors, intermediates := x509.NewCertPool(), x509.NewCertPool()
			if !anchors.AppendCertsFromPEM(text) {
				return errors.New("the trust bundle has no certificate")
			}
			for _, certificate := range state.PeerCertificates[1:] {
				intermediates.AddCert(certificate)
			}
			_, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{
				DNSName: serverName, Roots: anchors, Intermediates: intermediates,
			})
			return err
		},
	}
}

// named sends every request with the host name that the gateway has in its certificate.
type named struct{ http.RoundTripper }

func (n named) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Host = serverName
	return n.RoundTripper.RoundTrip(request)
}

func run(ctx context.Context) error {
	if serverName == "" {
		at, err := url.Parse(gateway)
		if err != nil {
			return err
		}
		serverName = at.Hostname()
	}
	transport := &mcp.StreamableClientTransport{
		Endpoint:             gateway,
		HTTPClient:           &http.Client{Transport: named{&http.Transport{TLSClientConfig: mountedIdentity(identity, serverName)}}},
		DisableStandaloneSSE: true,
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "agent-go", Version: "1.0.0"}, nil).Connect(ctx, transport, nil)
	if err != nil {
		return err
	}
	defer session.Close()
	for tool, err := range session.Tools(ctx, nil) {
		if err != nil {
			return err
		}
		fmt.Println("sees", tool.Name)
	}
	// Each line of its input is a repository, in which it opens an issue.
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		asked := map[string]any{"repository": lines.Text(), "title": "Hello from Go"}
		answer, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "github_issues_create", Arguments: asked})
		if err != nil {
			fmt.Println("refused", err)
			continue
		}
		fmt.Println("answered", answer.Content[0].(*mcp.TextContent).Text)
	}
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
