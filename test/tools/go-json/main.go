// Command go-json reads messages as a tool server in Go does: with encoding/json, into structs. Each line that comes in is one message
// in base64; each line that goes out says, as JSON, what the fields of the structs hold after it.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"log"
	"os"
)

type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  params          `json:"params"`
}

type params struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
	Cursor    string          `json:"cursor"`
	Meta      struct {
		Version       string          `json:"io.modelcontextprotocol/protocolVersion"`
		ProgressToken json.RawMessage `json:"progressToken"`
	} `json:"_meta"`
}

// What a tool with this input schema unmarshals its arguments into.
type arguments struct {
	Path  json.RawMessage `json:"path"`
	Task  json.RawMessage `json:"task"`
	Place struct {
		City json.RawMessage `json:"city"`
		Zip  json.RawMessage `json:"zip"`
	} `json:"place"`
}

// Texts, so that no number is read on the way back; an absent member is the empty text.
type reading struct {
	Fault         string `json:"fault"`
	JSONRPC       string `json:"jsonrpc"`
	ID            string `json:"id"`
	Method        string `json:"method"`
	Name          string `json:"name"`
	Arguments     string `json:"arguments"`
	Cursor        string `json:"cursor"`
	Version       string `json:"version"`
	ProgressToken string `json:"progressToken"`
	Path          string `json:"path"`
	Task          string `json:"task"`
	City          string `json:"city"`
	Zip           string `json:"zip"`
}

func read(octets []byte) reading {
	var m message
	if err := json.Unmarshal(octets, &m); err != nil {
		return reading{Fault: err.Error()}
	}
	var a arguments
	if len(m.Params.Arguments) > 0 {
		if err := json.Unmarshal(m.Params.Arguments, &a); err != nil {
			return reading{Fault: err.Error()}
		}
	}
	return reading{
		JSONRPC:       m.JSONRPC,
		ID:            string(m.ID),
		Method:        m.Method,
		Name:          m.Params.Name,
		Arguments:     string(m.Params.Arguments),
		Cursor:        m.Params.Cursor,
		Version:       m.Params.Meta.Version,
		ProgressToken: string(m.Params.Meta.ProgressToken),
		Path:          string(a.Path),
		Task:          string(a.Task),
		City:          string(a.Place.City),
		Zip:           string(a.Place.Zip),
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		octets, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			log.Fatal(err)
		}
		if err := encoder.Encode(read(octets)); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
