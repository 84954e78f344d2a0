package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// serve answers every POST with the same octets, over TLS 1.3 with client certificates. It prints its port.
func serve(c config, identity tls.Certificate, anchors *x509.CertPool) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	answer, list := []byte(c.Answer), []byte(c.List)
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			octets := answer
			if bytes.Contains(body, []byte(`"tools/list"`)) {
				octets = list
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(octets)))
			_, _ = w.Write(octets)
		}),
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS13,
			Certificates: []tls.Certificate{identity},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    anchors,
		},
	}
	return server.ServeTLS(listener, "", "")
}
