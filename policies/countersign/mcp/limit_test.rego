package countersign.mcp_test

import data.countersign.mcp

# requirement: gateway.limits-of-policy
obligations(input_document, limits) := decision.obligations if {
	decision := mcp.decision with input as input_document with data.grants as grants with data.limits as limits
	decision.allow
}

limited_by(input_document, limits) := [obligation.id | some obligation in obligations(input_document, limits)]

test_no_limits_no_obligations if obligations(call("get"), {}) == []

test_rate if {
	found := obligations(call("get"), {"slow": {"per": ["identity"], "calls": 3, "seconds": 60}})
	found == [{"id": "slow", "type": "rate-limit", "properties": {"per": ["identity"], "calls": 3, "seconds": 60}}]
}

test_concurrency if {
	found := obligations(call("get"), {"few": {"per": ["tenant", "tool"], "concurrent": 2}})
	found == [{"id": "few", "type": "concurrency-limit", "properties": {"per": ["tenant", "tool"], "concurrent": 2}}]
}

test_both_in_one_and_the_order_of_names if {
	limits := {"b": {"per": ["server"], "calls": 3, "seconds": 60, "concurrent": 2}, "a": {"per": ["server"], "concurrent": 1}}
	found := obligations(call("get"), limits)
	[["a", "concurrency-limit"], ["b", "rate-limit"], ["b", "concurrency-limit"]] == [[obligation.id, obligation.type] |
		some obligation in found
	]
}

test_a_limit_that_says_nothing_is_given_on[name] if {
	some name, limit in {
		"nothing": {"per": ["tenant"]},
		"not even whom": {},
		"calls alone": {"per": ["tenant"], "calls": 1},
		"an unknown member": {"per": ["tenant"], "call": 1},
	}
	[obligation | some obligation in obligations(call("get"), {"odd": limit}); obligation.type == "rate-limit"] != []
}

test_what_is_no_limit_is_not_passed_over[name] if {
	some name, limits in {
		"a limit that is a list": {"l": []},
		"a limit that is a number": {"l": 3},
		"a limit that is null": {"l": null},
		"limits that are a list": [{"per": ["tenant"], "calls": 1, "seconds": 1}],
		"limits that are null": null,
	}
	[obligation.properties | some obligation in obligations(call("get"), limits)] == [{}]
}

test_where_fits[name] if {
	some name, where in {
		"nothing": {},
		"identity": {"identity": [subject.id]},
		"namespace": {"namespace": ["other", "research"]},
		"tenant": {"tenant": ["acme"]},
		"server": {"server": ["github"]},
		"tool": {"tool": ["issues_list"]},
		"beginning of a tool": {"tool": ["issues_*"]},
		"any tool": {"tool": ["*"]},
		"all of them": {"tenant": ["acme"], "server": ["github"], "tool": ["get", "issues_list"]},
		"a value that is no list": {"tenant": "other"},
		"a name that is none": {"tenants": ["other"]},
	}
	limited_by(call("issues_list"), {"l": {"per": ["tenant"], "calls": 1, "seconds": 1, "where": where}}) == ["l"]
}

test_where_is_no_object_spares_nobody if {
	limited_by(call("get"), {"l": {"per": ["tenant"], "concurrent": 1, "where": "github"}}) == ["l"]
}

test_where_spares[name] if {
	some name, where in {
		"identity": {"identity": ["spiffe://example.test/ns/x/sa/y"]},
		"namespace": {"namespace": ["other"]},
		"tenant": {"tenant": ["acme2"]},
		"server": {"server": ["gitlab"]},
		"tool": {"tool": ["get"]},
		"beginning of a tool": {"tool": ["issue*s"]},
		"nobody": {"tenant": []},
		"one of two": {"tenant": ["acme"], "server": ["gitlab"]},
	}
	limited_by(call("issues_list"), {"l": {"per": ["tenant"], "concurrent": 1, "where": where}}) == []
}

test_who_has_no_tenant_is_in_none if {
	given := {"tenants": {}, "subjects": {subject.id: {"github": {"tools": {"get": {}}}}}}
	properties := object.remove(subject.properties, {"tenant"})
	stranger := object.union(object.remove(call("get"), {"subject"}), {"subject": {
		"type": "identity",
		"id": subject.id,
		"properties": properties,
	}})
	limits := {"l": {"per": ["identity"], "concurrent": 1, "where": {"tenant": ["acme"]}}}
	decision := mcp.decision with input as stranger with data.grants as given with data.limits as limits
	decision.allow
	decision.obligations == []
}

test_prompts_and_resources_are_limited_with_the_rest_and_are_no_tools if {
	given := {"tenants": {"acme": {"github": {"prompts": {"names": {"review": {}}}}}}, "subjects": {}}
	limits := {
		"all": {"per": ["tenant"], "concurrent": 1},
		"tools": {"per": ["tool"], "concurrent": 1},
		"some-tools": {"per": ["tenant"], "concurrent": 1, "where": {"tool": ["*"]}},
	}
	asked := request("prompts/get", {"type": "prompt", "id": "review", "properties": {"server": "github"}})
	decision := mcp.decision with input as asked with data.grants as given with data.limits as limits
	decision.allow
	["all"] == [obligation.id | some obligation in decision.obligations]
}

test_lists_stand_under_no_limit if {
	obligations(request("tools/list", server("github")), {"l": {"per": ["tenant"], "concurrent": 1}}) == []
}

test_a_refusal_stands_under_no_limit if {
	limits := {"l": {"per": ["tenant"], "concurrent": 1}}
	decision := mcp.decision with input as call("delete") with data.grants as grants with data.limits as limits
	not decision.allow
	decision.obligations == []
}

test_requests_for_a_task_are_no_calls_of_its_tool[method] if {
	some method in ["tasks/get", "tasks/result", "tasks/update", "tasks/cancel"]
	asked := request(method, tool_of("github", "get"))
	obligations(asked, {"some": {"per": ["tenant"], "concurrent": 1, "where": {"tool": ["*"]}}}) == []
	obligations(asked, {"each": {"per": ["tool"], "concurrent": 1}}) == []
	count(obligations(asked, {"all": {"per": ["tenant"], "concurrent": 1}})) == 1
}
