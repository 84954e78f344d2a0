package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
)

// serve answers every POST with the same octets but for the id, over TLS 1.3 with client certificates. It prints its port.
func serve(c config, input *json.Decoder, own tls.Certificate, anchors *x509.CertPool) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	answer := split(c.Answer)
	others := map[string][2][]byte{}
	for method, text := range c.Answers {
		others[`"`+method+`"`] = split(text)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			template := answer
			for method, other := range others {
				if bytes.Contains(body, []byte(method)) {
					template = other
				}
			}
			id := idOf(body)
			if turns := bytes.Count(template[1], turnMark); turns > 0 {
				turn := fmt.Appendf(nil, "%06d", answered.Add(1))
				template[1] = bytes.ReplaceAll(template[1], turnMark, turn)
			}
			octets := make([]byte, 0, len(template[0])+len(id)+len(template[1]))
			octets = append(append(append(octets, template[0]...), id...), template[1]...)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(octets)))
			_, _ = w.Write(octets)
		}),
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS13,
			Certificates: []tls.Certificate{own},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    anchors,
		},
	}
	go func() {
		_ = input.Decode(&struct{}{})
		_ = server.Close()
	}()
	if err := server.ServeTLS(listener, "", ""); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// turnMark stands in an answer for a number that is another each time.
var turnMark = []byte("{turn}")

var answered atomic.Int64

var idMember = []byte(`"id":`)

// split gives what stands before and after the id of an answer, which is 1.
func split(answer string) [2][]byte {
	before, after, _ := bytes.Cut([]byte(answer), []byte(`"id":1`))
	return [2][]byte{append(before, idMember...), after}
}

// idOf takes the first id of the body for that of the message: what is measured here sends no other before it.
func idOf(body []byte) []byte {
	_, rest, found := bytes.Cut(body, idMember)
	end := bytes.IndexAny(rest, ",}")
	if !found || end < 0 {
		return []byte("null")
	}
	return rest[:end]
}
