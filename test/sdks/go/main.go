// The client of the official Go SDK.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// named sends every request with the host name that the gateway has in its certificate.
type named struct {
	http.RoundTripper
	host string
}

func (n named) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Host = n.host
	return n.RoundTripper.RoundTrip(request)
}

func client(folder, serverName string) (*http.Client, error) {
	file := folder + "/credential-bundle.pem"
	certificate, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(folder + "/trust-bundle.pem")
	if err != nil {
		return nil, err
	}
	anchors := x509.NewCertPool()
	anchors.AppendCertsFromPEM(text)
	options := &tls.Config{ServerName: serverName, RootCAs: anchors, Certificates: []tls.Certificate{certificate}}
	return &http.Client{Transport: named{&http.Transport{TLSClientConfig: options}, serverName}}, nil
}

func run(ctx context.Context) error {
	text, err := os.ReadFile(os.Getenv("CALLS"))
	if err != nil {
		return err
	}
	var calls [][2]json.RawMessage
	if err := json.Unmarshal(text, &calls); err != nil {
		return err
	}
	http, err := client(os.Getenv("IDENTITY"), os.Getenv("SERVER_NAME"))
	if err != nil {
		return err
	}
	transport := &mcp.StreamableClientTransport{Endpoint: os.Getenv("GATEWAY"), HTTPClient: http}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "sdk", Version: "1.0.0"}, nil).Connect(ctx, transport, nil)
	if err != nil {
		return err
	}
	defer session.Close()
	tools, err := session.ListTools(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Println("lists", len(tools.Tools))
	for _, call := range calls {
		var tool string
		if err := json.Unmarshal(call[0], &tool); err != nil {
			return err
		}
		answer, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: call[1]})
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
