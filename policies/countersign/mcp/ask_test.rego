package countersign.mcp_test

import data.countersign.mcp

asking_grants := {
	"tenants": {"acme": {"github": {
		"tools": {
			"get": {},
			"issues_close": {"asks": {"roots": true}},
			"issues_odd": {"asks": {"sampling": "yes"}},
		},
		"prefixes": {"issues_": {"asks": {}}},
		"prompts": {"names": {"review": {}, "quiet": {"asks": {}}}},
		"resources": {"uris": {"repo://a/readme": {}}},
		"asks": {
			"elicitation": {"form": true, "urlHosts": ["login.example.test", "pay.example.test:8443"]},
			"sampling": true,
		},
	}}},
	"subjects": {},
}

# The server asks while it serves a call of this.
asked(action, resource, asked_of_it) := object.union(
	request(action, resource),
	{"context": {"phase": "response", "asked": asked_of_it}},
)

form(resource) := asked("elicitation/create", resource, {"mode": "form"})

page(host) := asked("elicitation/create", tool("get"), {"mode": "url", "host": host})

sampling(resource) := asked("sampling/createMessage", resource, {})

roots(resource) := asked("roots/list", resource, {})

test_ask_granted_by_the_server[name] if {
	some name, input_document in {
		"form": form(tool("get")),
		"page": page("login.example.test"),
		"page at a port": page("pay.example.test:8443"),
		"sampling": sampling(tool("get")),
		"of a prompt": form(prompt("review")),
		"of a resource": form(resource("repo://a/readme")),
		"of the server as a whole": form(server("github")),
	}
	allowed_by(input_document, asking_grants)
}

test_ask_not_granted[name] if {
	some name, input_document in {
		"roots": roots(tool("get")),
		"other host": page("login.example.test.evil.test"),
		"host at another port": page("login.example.test:8443"),
		"host without its port": page("pay.example.test"),
		"host in another case": page("Login.example.test"),
		"no host": asked("elicitation/create", tool("get"), {"mode": "url"}),
		"no mode": asked("elicitation/create", tool("get"), {}),
		"other mode": asked("elicitation/create", tool("get"), {"mode": "voice"}),
		"of a tool that may ask nothing": form(tool("issues_list")),
		"of a prompt that may ask nothing": form(prompt("quiet")),
		"of a tool that may ask for something else": sampling(tool("issues_close")),
	}
	code_by(input_document, asking_grants) == "ask-not-granted"
}

test_ask_granted_by_the_tool if allowed_by(roots(tool("issues_close")), asking_grants)

test_nothing_is_asked_without_a_grant if {
	code_by(form(tool("get")), grants) == "ask-not-granted"
	code_by(sampling(server("github")), grants) == "ask-not-granted"
}

test_ask_granted_to_the_subject if {
	given := object.union(grants, {"subjects": {subject.id: {"github": {"asks": {"roots": true}}}}})
	allowed_by(roots(tool("get")), given)
	code_by(form(tool("get")), given) == "ask-not-granted"
}

test_ask_for_what_the_caller_may_not_use if {
	code_by(form(tool("delete")), asking_grants) == "outside-ceiling"
	code_by(form(tool_of("gitlab", "get")), asking_grants) == "outside-ceiling"
	code_by(form(server("gitlab")), asking_grants) == "outside-ceiling"
	code_by(form(tool_of("files", "read")), asking_grants) == "not-granted"
	code_by(form(prompt("other")), asking_grants) == "not-granted"
	code_by(form(resource("repo://a/other")), asking_grants) == "not-granted"
	code_by(with_properties(form(tool("get")), {"role": "tool-server"}), asking_grants) == "role-not-allowed"
}

test_no_request_of_a_caller_is_an_ask if {
	code_by(object.union(form(tool("get")), {"context": {"phase": "request"}}), asking_grants) == "method-not-allowed"
	code_by(asked("tools/call", server("github"), {}), asking_grants) == "method-not-allowed"
}

test_malformed_asks_give_nothing[name] if {
	some name, asks in {
		"true": true,
		"null": null,
		"array": ["elicitation"],
		"unknown ask": {"elicitation": {"form": true}, "tasks": true},
		"elicitation true": {"elicitation": true},
		"unknown way": {"elicitation": {"form": true, "voice": true}},
		"form as text": {"elicitation": {"form": "true"}},
		"hosts as an object": {"elicitation": {"form": false, "urlHosts": {"x": "login.example.test"}}},
		"sampling as an object": {"sampling": {}},
		"roots as a number": {"roots": 1},
	}
	given := {"tenants": {"acme": {"github": {"tools": {"get": {}}, "asks": asks}}}, "subjects": {}}
	every input_document in [form(tool("get")), page("login.example.test"), sampling(tool("get")), roots(tool("get"))] {
		code_by(input_document, given) == "ask-not-granted"
	}
}

test_conditions_with_malformed_asks_ask_nothing if {
	code_by(sampling(tool("issues_odd")), asking_grants) == "ask-not-granted"
}

test_a_tool_with_asks_is_called_as_before if allowed_by(call("issues_close"), asking_grants)

test_a_prompt_with_asks_alone_is_completed if allowed_by(complete(prompt("quiet")), asking_grants)

test_what_is_asked_stands_under_no_limit if {
	limits := {"tenants": {"per": ["tenant"], "calls": 1, "seconds": 60}}
	decision := mcp.decision with input as form(tool("get")) with data.grants as asking_grants with data.limits as limits
	decision == {"allow": true, "reasons": [], "obligations": []}
}
