package countersign.mcp_test

import data.countersign.mcp

listed(resources) := shown if {
	shown := mcp.list with data.grants as grants
		with input as {
			"subject": subject,
			"action": {"name": "tools/list"},
			"resources": resources,
			"context": object.union(context, {"phase": "list"}),
		}
}

test_list_shows_what_some_call_may_use if {
	names := ["get", "delete", "issues_list", "issues_close", "other"]
	listed([tool(name) | some name in names]) == {"allowed": [0, 2, 3], "count": 5}
}

test_list_of_several_servers if {
	listed([tool_of("gitlab", "get"), tool_of("github", "get"), tool_of("files", "read")]) == {"allowed": [1], "count": 3}
}

test_list_shows_tools_only if listed([server("github"), tool("get")]) == {"allowed": [1], "count": 2}

test_empty_list if listed([]) == {"allowed": [], "count": 0}

test_list_of_an_empty_input if mcp.list == {"allowed": [], "count": 0} with input as {}

test_list_is_empty_for_a_role_that_may_not_call if {
	result := mcp.list with data.grants as grants
		with input as {"subject": object.union(subject, {"properties": {"role": "tool-server"}}), "resources": [tool("get")]}
	result == {"allowed": [], "count": 1}
}

test_what_is_hidden_is_refused if {
	names := ["get", "delete", "issues_list", "issues_close", "issues_admin_x", "other", "issues_ x", ""]
	shown := listed([tool(name) | some name in names]).allowed
	every index, name in names {
		as_shown(index in shown, name)
	}
}

as_shown(false, name) if code(call(name)) in {"outside-ceiling", "not-granted"}

as_shown(true, name) if allowed(call(name))

as_shown(true, name) if code(call(name)) == "argument-not-allowed"
