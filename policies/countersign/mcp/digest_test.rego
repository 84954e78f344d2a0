package countersign.mcp_test

import data.countersign.mcp

digest_of_now := concat("", ["sha256:", now_hex])

now_hex := "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

then_hex := "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

defined(name, hex) := object.union(tool(name), {"properties": {"definitionDigest": hex}})

digest_grants := {
	"tenants": {"acme": {"github": {
		"tools": {"get": {"digest": digest_of_now, "asks": {"roots": true}}},
		"prefixes": {"issues_": {"digest": digest_of_now, "arguments": {"a": [1]}}},
		"prompts": {"names": {"review": {"digest": digest_of_now}}},
	}}},
	"subjects": {},
}

# requirement: policy.grant-of-a-definition
test_a_tool_is_granted_as_it_is_defined if {
	allowed_by(request("tools/call", defined("get", now_hex)), digest_grants)
	allowed_by(request("tasks/get", defined("get", now_hex)), digest_grants)
	allowed_by(roots(defined("get", now_hex)), digest_grants)
	code_by(request("tools/call", defined("issues_x", now_hex)), digest_grants) == "argument-not-allowed"
}

# requirement: policy.grant-of-a-definition
test_a_tool_is_not_granted_as_it_is_defined_otherwise[name] if {
	some name, other in {
		"other": defined("get", then_hex),
		"unknown": tool("get"),
		"by prefix": defined("issues_x", then_hex),
	}
	code_by(request("tools/call", other), digest_grants) == "definition-not-granted"
	code_by(request("tasks/get", other), digest_grants) == "definition-not-granted"
	code_by(roots(other), digest_grants) == "definition-not-granted"
}

# requirement: policy.grant-of-a-definition
test_a_list_shows_tools_as_they_are_granted if {
	tools := [defined("get", now_hex), defined("get", then_hex), tool("get"), defined("issues_x", now_hex)]
	shown := mcp.list with data.grants as digest_grants with input as {"subject": subject, "resources": tools, "context": context}
	shown == {"allowed": [0, 3], "count": 4}
}

# requirement: policy.grant-of-a-definition
test_what_is_no_digest_gives_nothing[name] if {
	some name, digest in {"none": null, "empty": "", "hex alone": now_hex, "upper case": upper(digest_of_now), "false": false, "list": [digest_of_now]}
	given := {"tenants": {"acme": {"github": {"tools": {"get": {"digest": digest}}}}}, "subjects": {}}
	code_by(request("tools/call", defined("get", now_hex)), given) == "definition-not-granted"
}

test_no_prompt_is_granted_with_a_digest if code_by(request("prompts/get", prompt("review")), digest_grants) == "not-granted"

test_a_grant_of_the_subject_is_another_one if {
	given := object.union(digest_grants, {"subjects": {subject.id: {"github": {"tools": {"get": {}}}}}})
	allowed_by(request("tools/call", defined("get", then_hex)), given)
	limited := object.union(digest_grants, {"tenants": {"acme": {"github": {"tools": {"get": {"digest": digest_of_now, "result": {"octetsMax": 1}}}}}}})
	both := object.union(limited, {"subjects": {subject.id: {"github": {"tools": {"get": {}}}}}})
	limits_of(defined("get", then_hex), both) == []
	limits_of(defined("get", now_hex), both) == [1]
}

limits_of(resource, given) := [obligation.properties.value |
	decision := mcp.decision with input as request("tools/call", resource) with data.grants as given with data.limits as {} with data.approvals as {}
	some obligation in decision.obligations
]

test_a_grant_of_the_subject_names_a_digest if {
	given := {"tenants": {}, "subjects": {subject.id: {"github": {"tools": {"get": {"digest": digest_of_now}}}}}}
	allowed_by(request("tools/call", defined("get", now_hex)), given)
	without_tenant := object.union(given, {"tenants": {"acme": {}}})
	code_by(request("tools/call", defined("get", then_hex)), without_tenant) == "definition-not-granted"
}
