// A server of the official Go SDK that pings whoever has a session, and ends the session when nobody answers. It says how many sessions
// it has at /sessions.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type none struct{}

func main() {
	keepAlive, err := time.ParseDuration(os.Getenv("KEEP_ALIVE"))
	if err != nil {
		log.Fatal(err)
	}
	server := mcp.NewServer(
		&mcp.Implementation{Name: "alive", Version: "1.0.0"},
		&mcp.ServerOptions{KeepAlive: keepAlive},
	)
	who := func(_ context.Context, request *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, any, error) {
		text := &mcp.TextContent{Text: request.Session.ID()}
		return &mcp.CallToolResult{Content: []mcp.Content{text}}, nil, nil
	}
	mcp.AddTool(server, &mcp.Tool{Name: "who", Description: "The session of the call."}, who)
	http.Handle("/mcp", mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{DisableLocalhostProtection: true},
	))
	http.HandleFunc("/sessions", func(response http.ResponseWriter, _ *http.Request) {
		count := 0
		for range server.Sessions() {
			count++
		}
		fmt.Fprint(response, count)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}
