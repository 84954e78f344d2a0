package countersign.mcp_test

# The agent of these tests: one tool by name and one prefix of one server, one tool of another.
subject := {
	"type": "identity",
	"id": "spiffe://example.test/ns/research/sa/reader",
	"properties": {
		"role": "agent",
		"tenant": "acme",
		"models": [],
		"toolScopes": ["files:read", "github:get", "github:issues_*"],
		"namespace": "research",
		"serviceAccount": "reader",
		"pod": {"name": "reader-0", "uid": "4fd2"},
		"certificate": {"sha256": "00", "notAfter": "2026-11-22T10:00:00Z"},
	},
}

context := {"era": "modern", "time": "2026-11-22T09:00:00Z", "door": "mcp/github", "phase": "request"}

grants := {
	"tenants": {"acme": {"github": {
		"tools": {"get": {}, "delete": {}, "issues_close": {"arguments": {"repository": ["a", "b"]}}},
		"prefixes": {"issues_": {}, "issues_admin_": {"arguments": {"confirm": [true]}}},
	}}},
	"subjects": {},
}

tool(name) := tool_of("github", name)

tool_of(server, name) := {"type": "tool", "id": name, "properties": {"server": server}}

server(name) := {"type": "mcp_server", "id": name, "properties": {"server": name}}

request(action, resource) := {
	"subject": subject,
	"action": {"name": action},
	"resource": resource,
	"context": context,
}

call(name) := request("tools/call", tool(name))

call_with(name, arguments) := object.union(call(name), {"context": {"arguments": arguments}})

with_properties(input_document, properties) := object.union(
	input_document,
	{"subject": {"properties": properties}},
)
