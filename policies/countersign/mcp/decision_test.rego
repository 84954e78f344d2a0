package countersign.mcp_test

import data.countersign.mcp

code(input_document) := code_by(input_document, grants)

# The one code of both reasons.
code_by(input_document, given) := only if {
	decision := mcp.decision with input as input_document with data.grants as given
	not decision.allow
	found := {reason.code | some reason in decision.reasons}
	count(found) == 1
	some only in found
	{"agent", "operator"} == {reason.audience | some reason in decision.reasons}
}

allowed(input_document) if allowed_by(input_document, grants)

allowed_by(input_document, given) if {
	decision := mcp.decision with input as input_document with data.grants as given
	decision == {"allow": true, "reasons": [], "obligations": []}
}

test_empty_input_is_refused if code({}) == "role-not-allowed"

test_tool_granted_by_name if allowed(call("get"))

test_tool_granted_by_prefix if allowed(call("issues_list"))

test_tool_in_the_ceiling_without_grant if {
	some_other := with_properties(call("get_all"), {"toolScopes": ["github:*"]})
	code(some_other) == "not-granted"
}

test_tool_granted_outside_the_ceiling if code(call("delete")) == "outside-ceiling"

test_name_that_begins_like_a_granted_one if code(call("get2")) == "outside-ceiling"

test_other_server_with_the_same_tool if {
	code(request("tools/call", tool_of("gitlab", "get"))) == "outside-ceiling"
}

test_server_in_the_ceiling_without_grants if {
	code(request("tools/call", tool_of("files", "read"))) == "not-granted"
}

test_task_of_a_tool[method] if {
	some method in ["tasks/get", "tasks/result", "tasks/update", "tasks/cancel"]
	allowed(request(method, tool_of("github", "get")))
	code(request(method, tool_of("gitlab", "get"))) == "outside-ceiling"
	code(request(method, tool_of("files", "read"))) == "not-granted"
}

test_other_methods_of_tasks if code(request("tasks/list", tool_of("github", "get"))) == "method-not-allowed"

test_name_outside_the_grammar[name] if {
	some name in ["", "issues_ list", "issues_*", "issues_/x", "issues_é", "issues_:x"]
	code(with_properties(call(name), {"toolScopes": ["github:*"]})) == "outside-ceiling"
}

test_longest_name if {
	longest := concat("", ["x" | some _ in numbers.range(1, 128)])
	given := {"tenants": {"acme": {"github": {"prefixes": {"": {}}}}}, "subjects": {}}
	allowed_by(with_properties(call(longest), {"toolScopes": ["github:*"]}), given)
	too_long := concat("", [longest, "x"])
	code_by(with_properties(call(too_long), {"toolScopes": ["github:*"]}), given) == "outside-ceiling"
}

test_malformed_scope_covers_nothing[scope] if {
	some scope in ["get", "github:get:x", "*", "git*", "*:get", ":get", ""]
	code(with_properties(call("get"), {"toolScopes": [scope]})) == "outside-ceiling"
}

test_arguments_allowed[repository] if {
	some repository in ["a", "b"]
	allowed(call_with("issues_close", {"repository": repository, "more": 1}))
}

test_arguments_not_allowed[name] if {
	some name, arguments in {
		"other value": {"repository": "c"},
		"other type": {"repository": ["a"]},
		"other name": {"Repository": "a"},
		"none": {},
		"array": ["a"],
		"string": "a",
		"null": null,
	}
	code(call_with("issues_close", arguments)) == "argument-not-allowed"
}

test_arguments_absent if code(call("issues_close")) == "argument-not-allowed"

test_exact_grant_goes_before_prefix if {
	code(call_with("issues_close", {"repository": "c"})) == "argument-not-allowed"
}

test_longest_prefix_decides if {
	code(call("issues_admin_drop")) == "argument-not-allowed"
	allowed(call_with("issues_admin_drop", {"confirm": true}))
}

test_null_is_allowed_only_when_said_and_given if {
	given := {"tenants": {"acme": {"github": {"tools": {"get": {"arguments": {"page": [null]}}}}}}, "subjects": {}}
	code_by(call("get"), given) == "argument-not-allowed"
	code_by(call_with("get", {}), given) == "argument-not-allowed"
	allowed_by(call_with("get", {"page": null}), given)
}

test_only_exact_values_are_compared[name] if {
	some name, value in {"list": [1], "object": {"a": 1}, "too large": 9007199254740992, "too small": -9007199254740992}
	given := {"tenants": {"acme": {"github": {"tools": {"get": {"arguments": {"page": [value]}}}}}}, "subjects": {}}
	code_by(call_with("get", {"page": value}), given) == "argument-not-allowed"
}

test_numbers_are_compared_as_far_as_they_are_exact[name] if {
	some name, value in {"one": 1, "fraction": 0.5, "largest": 9007199254740991, "smallest": -9007199254740991}
	given := {"tenants": {"acme": {"github": {"tools": {"get": {"arguments": {"page": [value]}}}}}}, "subjects": {}}
	allowed_by(call_with("get", {"page": value}), given)
	code_by(call_with("get", {"page": as_text(value)}), given) == "argument-not-allowed"
}

as_text(value) := json.marshal(value)

test_grant_to_the_subject if {
	given := {"tenants": {}, "subjects": {subject.id: {"github": {"tools": {"get": {}}}}}}
	allowed_by(call("get"), given)
	code_by(call("issues_list"), given) == "not-granted"
	code_by(object.union(call("get"), {"subject": {"id": "spiffe://example.test/ns/x/sa/y"}}), given) == "not-granted"
}

test_tenant_missing if {
	without := object.remove(subject.properties, ["tenant"])
	alone := object.union(object.remove(call("get"), ["subject"]), {"subject": object.union(
		object.remove(subject, ["properties"]),
		{"properties": without},
	)})
	code(alone) == "tenant-missing"
	allowed_by(alone, {"tenants": {}, "subjects": {subject.id: {"github": {"tools": {"get": {}}}}}})
}

test_malformed_grant_gives_nothing[name] if {
	some name, conditions in {
		"true": true,
		"false": false,
		"null": null,
		"string": "get",
		"array": [],
		"unknown condition": {"argument": {}},
		"arguments as an array": {"arguments": []},
		"arguments null": {"arguments": null},
		"values as a string": {"arguments": {"repository": "a"}},
		"values as an object": {"arguments": {"repository": {"x": "a"}}},
	}
	given := {"tenants": {"acme": {"github": {"tools": {"get": conditions}, "prefixes": {"": {}}}}}, "subjects": {}}
	code_by(call_with("get", {"repository": "a"}), given) == "not-granted"
}

test_malformed_grants_give_nothing[name] if {
	some name, given in {
		"empty": {},
		"tenants as an array": {"tenants": ["acme"]},
		"tools as an array": {"tenants": {"acme": {"github": {"tools": ["get"]}}}},
		"prefixes as an array": {"tenants": {"acme": {"github": {"prefixes": ["get"]}}}},
	}
	code_by(call("get"), given) == "not-granted"
}

test_server_methods_at_both_doors[method] if {
	some method in mcp.server_methods
	allowed(request(method, server("github")))
	allowed(object.union(request(method, server("countersign")), {"context": {"door": "mcp"}}))
}

test_server_outside_the_ceiling if {
	code(request("tools/list", server("gitlab"))) == "outside-ceiling"
}

test_federated_door_with_an_empty_ceiling if {
	federated := object.union(request("tools/list", server("countersign")), {"context": {"door": "mcp"}})
	code(with_properties(federated, {"toolScopes": []})) == "outside-ceiling"
}

test_method_of_the_wrong_resource if {
	code(request("tools/call", server("github"))) == "method-not-allowed"
	code(request("tools/list", tool("get"))) == "method-not-allowed"
}

test_unknown_method[method] if {
	some method in ["resources/read", "prompts/get", "tools/Call", "tasks/result", ""]
	code(request(method, server("github"))) == "method-not-allowed"
}

test_role_that_may_not_call[role] if {
	some role in ["tool-server", "inference-worker", "Agent", ""]
	code(with_properties(call("get"), {"role": role})) == "role-not-allowed"
	code(with_properties(request("ping", server("github")), {"role": role})) == "role-not-allowed"
}

test_role_that_may_call[role] if {
	some role in ["agent", "model-gateway", "tool-broker"]
	allowed(with_properties(call("get"), {"role": role}))
}

test_subject_that_is_no_identity if {
	code(object.union(call("get"), {"subject": {"type": "user"}})) == "role-not-allowed"
}

test_every_code_has_both_messages if object.keys(mcp.agent_messages) == object.keys(mcp.operator_messages)
