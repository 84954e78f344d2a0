package countersign.mcp_test

import data.countersign.mcp

# requirement: gateway.results-limited
result_grants := {
	"tenants": {"acme": {"github": {
		"tools": {
			"get": {},
			"delete": {},
			"issues_close": {"arguments": {"repository": ["a"]}, "result": {"octetsMax": 10}},
		},
		"prefixes": {"issues_": {"result": {"resources": "readable"}}},
		"prompts": {"names": {"review": {}, "short": {"result": {"octetsMax": 20}}}},
		"resources": {"uris": {"repo://a/readme": {}, "repo://a/{path}": {}}},
		"result": {"octetsMax": 1000, "resources": "readable"},
	}}},
	"subjects": {},
}

octets(value) := {"id": "octetsMax", "type": "result-octets", "properties": {"value": value}}

readable := {"id": "resources", "type": "result-resources", "properties": {"value": "readable"}}

obliged(input_document, given) := decision.obligations if {
	decision := mcp.decision with input as input_document with data.grants as given with data.limits as {}
	decision.allow
}

test_result_limited[name] if {
	some name, expected in {
		"by the server": [call("get"), [octets(1000), readable]],
		"by the tool": [call_with("issues_close", {"repository": "a"}), [octets(10)]],
		"by the prefix": [call("issues_list"), [readable]],
		"of a prompt by the server": [get("review"), [octets(1000), readable]],
		"of a prompt": [get("short"), [octets(20)]],
		"of a resource": [read("repo://a/readme"), [octets(1000), readable]],
		"of a completion by the server": [complete(prompt("review")), [octets(1000), readable]],
		"of a completion by the prompt": [complete(prompt("short")), [octets(20)]],
		"of a completion of a template": [complete(template("repo://a/{path}")), [octets(1000), readable]],
		"of a subscription": [request("resources/subscribe", resource("repo://a/readme")), [octets(1000), readable]],
		"of its end": [request("resources/unsubscribe", resource("repo://a/readme")), [octets(1000), readable]],
		"not of a list": [request("tools/list", server("github")), []],
	}
	obliged(expected[0], result_grants) == expected[1]
}

test_result_of_a_task_limited[method] if {
	some method in ["tasks/get", "tasks/result", "tasks/update", "tasks/cancel"]
	obliged(request(method, tool_of("github", "get")), result_grants) == [octets(1000), readable]
	obliged(request(method, tool_of("github", "issues_close")), result_grants) == [octets(10)]
}

test_no_limits_without_a_word if obliged(call("get"), grants) == []

test_every_grant_that_gives_the_call_counts if {
	own := {"subjects": {subject.id: {"github": {"tools": {"get": {"result": {"octetsMax": 5}}}}}}}
	given := object.union(result_grants, own)
	obliged(call("get"), given) == [octets(1000), readable, octets(5)]
	obliged(call("issues_list"), given) == [readable]
}

test_a_grant_of_the_subject_frees_of_nothing if {
	own := {"subjects": {subject.id: {"github": {"tools": {"get": {}, "issues_close": {}}, "prompts": {"names": {"review": {}}}}}}}
	given := object.union(result_grants, own)
	obliged(call("get"), given) == [octets(1000), readable]
	obliged(get("review"), given) == [octets(1000), readable]

	# By its arguments the tenant's does not give this one.
	obliged(call_with("issues_close", {"repository": "b"}), given) == []
}

test_what_is_not_understood_is_given_on if {
	unknown := {"id": "x", "type": "result-unknown", "properties": {"value": 1}}
	odd := {"tenants": {"acme": {"github": {"tools": {"get": {"result": {"x": 1}}}}}}, "subjects": {}}
	obliged(call("get"), odd) == [unknown]
	no_object := {"tenants": {"acme": {"github": {"tools": {"get": {}}, "result": true}}}, "subjects": {}}
	obliged(call("get"), no_object) == [{"id": "result", "type": "result-unknown", "properties": {}}]
}

test_limits_of_calls_and_of_results_together if {
	limits := {"slow": {"per": ["identity"], "calls": 3, "seconds": 60}}
	decision := mcp.decision with input as call("get") with data.grants as result_grants with data.limits as limits
	[obligation.type | some obligation in decision.obligations] == ["rate-limit", "result-octets", "result-resources"]
}
