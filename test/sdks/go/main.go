// The client of the official Go SDK.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"countersign.dev/test/sdks/go/identity"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func run(ctx context.Context) error {
	text, err := os.ReadFile(os.Getenv("CALLS"))
	if err != nil {
		return err
	}
	var calls [][2]json.RawMessage
	if err := json.Unmarshal(text, &calls); err != nil {
		return err
	}
	http, err := identity.Client(os.Getenv("IDENTITY"), os.Getenv("SERVER_NAME"))
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
