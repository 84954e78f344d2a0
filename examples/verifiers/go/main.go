package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log"
	"os"
	"time"
)

type vectorFile struct {
	TrustDomain, Audience, Server string
	Now                           int64
	Peers                         map[string]string
	Vectors                       []struct {
		Name, Peer, Body, Token, Want string
		Now                           *int64
		Server                        json.RawMessage
	}
}

// Runs the verifier over the vectors: go run . ../vectors.json
func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(text, &file); err != nil {
		log.Fatal(err)
	}
	right := 0
	for _, vector := range file.Vectors {
		here := Here{TrustDomain: file.TrustDomain, SpiffeID: file.Audience, Server: file.Server}
		if vector.Server != nil {
			here.Server = ""
			if err := json.Unmarshal(vector.Server, &here.Server); err != nil {
				log.Fatal(err)
			}
		}
		now := file.Now
		if vector.Now != nil {
			now = *vector.Now
		}
		block, _ := pem.Decode([]byte(file.Peers[vector.Peer]))
		peer, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			log.Fatal(err)
		}
		got := "valid"
		if _, err := Verify(vector.Token, peer, []byte(vector.Body), here, time.Unix(now, 0)); err != nil {
			got = err.Error()
		}
		if got != vector.Want {
			fmt.Printf("%s: want=%s got=%s\n", vector.Name, vector.Want, got)
			continue
		}
		right++
	}
	fmt.Printf("%d of %d vectors\n", right, len(file.Vectors))
	if right < len(file.Vectors) {
		os.Exit(1)
	}
}
