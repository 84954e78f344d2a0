// The official Go SDK, with the steps of a plan: what it has to say at each is one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"countersign.dev/test/sdks/go/identity"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type call struct {
	Tool      string         `json:"tool"`
	Arguments map[string]any `json:"arguments"`
}

type prompt struct {
	Name      string            `json:"name"`
	Arguments map[string]string `json:"arguments"`
}

type asked struct {
	Server string `json:"server"`
	URL    string `json:"url"`
	Steps  struct {
		Calls    *call   `json:"calls"`
		Refuses  *call   `json:"refuses"`
		Progress *call   `json:"progress"`
		Cancels  *call   `json:"cancels"`
		Reads    string  `json:"reads"`
		Prompts  *prompt `json:"prompts"`
	} `json:"steps"`
}

// say prints what came of one step.
func say(server, step string, said any, err error) {
	line := map[string]string{"server": server, "step": step}
	if err != nil {
		line["failed"] = err.Error()
	} else {
		line["said"] = fmt.Sprint(said)
	}
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

// connected is one session, and how often it was told of progress.
type connected struct {
	*mcp.ClientSession
	told *atomic.Int64
}

func (c connected) list(ctx context.Context) (string, error) {
	tools, err := c.ListTools(ctx, nil)
	if err != nil {
		return "", err
	}
	names := []string{}
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
	}
	return strings.Join(names, ","), nil
}

func (c connected) call(ctx context.Context, what *call, token any) (string, error) {
	params := &mcp.CallToolParams{Name: what.Tool, Arguments: what.Arguments}
	if token != nil {
		params.SetProgressToken(token)
	}
	answer, err := c.CallTool(ctx, params)
	if err != nil {
		return "", err
	}
	return answer.Content[0].(*mcp.TextContent).Text, nil
}

func (c connected) giveUp(ctx context.Context, what, after *call) (string, error) {
	soon, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	ended := "answered"
	if _, err := c.call(soon, what, nil); err != nil {
		ended = "given up"
	}
	said, err := c.call(ctx, after, nil)
	return fmt.Sprintf("%s, then %s", ended, said), err
}

func (c connected) read(ctx context.Context, uri string) (string, error) {
	answer, err := c.ReadResource(ctx, &mcp.ReadResourceParams{URI: uri})
	if err != nil {
		return "", err
	}
	return answer.Contents[0].Text, nil
}

func (c connected) prompt(ctx context.Context, what *prompt) (string, error) {
	answer, err := c.GetPrompt(ctx, &mcp.GetPromptParams{Name: what.Name, Arguments: what.Arguments})
	if err != nil {
		return "", err
	}
	return answer.Messages[0].Content.(*mcp.TextContent).Text, nil
}

func connect(ctx context.Context, http *http.Client, url string) (connected, error) {
	told := &atomic.Int64{}
	options := &mcp.ClientOptions{
		ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) { told.Add(1) },
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "matrix", Version: "1.0.0"}, options)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: http}, nil)
	return connected{session, told}, err
}

func runSteps(ctx context.Context, http *http.Client, one asked) {
	client, err := connect(ctx, http, one.URL)
	if err != nil {
		say(one.Server, "speaks", nil, err)
		return
	}
	defer client.Close()
	say(one.Server, "speaks", client.InitializeResult().ProtocolVersion, nil)
	steps := one.Steps
	said, err := client.list(ctx)
	say(one.Server, "lists", said, err)
	said, err = client.call(ctx, steps.Calls, nil)
	say(one.Server, "calls", said, err)
	said, err = client.call(ctx, steps.Refuses, nil)
	say(one.Server, "refuses", said, err)
	if steps.Progress != nil {
		_, err = client.call(ctx, steps.Progress, "progress")
		say(one.Server, "progress", client.told.Load(), err)
	}
	if steps.Cancels != nil {
		said, err = client.giveUp(ctx, steps.Cancels, steps.Calls)
		say(one.Server, "cancels", said, err)
	}
	if steps.Reads != "" {
		said, err = client.read(ctx, steps.Reads)
		say(one.Server, "reads", said, err)
	}
	if steps.Prompts != nil {
		said, err = client.prompt(ctx, steps.Prompts)
		say(one.Server, "prompts", said, err)
	}
}

func main() {
	text, err := os.ReadFile(os.Getenv("PLAN"))
	if err != nil {
		log.Fatal(err)
	}
	var plan struct{ Servers []asked }
	if err := json.Unmarshal(text, &plan); err != nil {
		log.Fatal(err)
	}
	http, err := identity.Client(os.Getenv("IDENTITY"), os.Getenv("SERVER_NAME"))
	if err != nil {
		log.Fatal(err)
	}
	for _, one := range plan.Servers {
		runSteps(context.Background(), http, one)
	}
}
