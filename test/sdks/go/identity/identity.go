// Package identity presents the mounted certificate to a gateway.
package identity

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
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

// Client asks for the name in the gateway's certificate, wherever the gateway is.
func Client(folder, serverName string) (*http.Client, error) {
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
