package countersign.mcp_test

import data.countersign.mcp

rules := {
	"deletions": {"seconds": 600, "approvers": [oncall.id], "where": {"server": ["github"], "tool": ["issues_*"]}},
	"of-acme": {"seconds": 60, "approvers": [oncall.id, "spiffe://example.test/ns/ops/sa/chief"], "masked": ["body"], "where": {"tenant": ["acme"], "tool": ["get"]}},
}

oncall := {
	"type": "identity",
	"id": "spiffe://example.test/ns/ops/sa/oncall",
	"properties": object.union(subject.properties, {
		"namespace": "ops",
		"serviceAccount": "oncall",
		"pod": {"name": "oncall-0", "uid": "77aa"},
		"toolScopes": [],
	}),
}

wanted(input_document, given) := [[obligation.id, obligation.type, obligation.properties] |
	decision := mcp.decision with input as input_document with data.grants as grants with data.approvals as given
	decision.allow
	some obligation in decision.obligations
]

# requirement: gateway.approval-needed
test_a_rule_holds_its_tools_out if {
	wanted(call("issues_list"), rules) == [["deletions", "approval", {"seconds": 600}]]
	wanted(call("get"), rules) == [["of-acme", "approval", {"seconds": 60}]]
}

test_a_call_of_several_rules_is_held_out_by_each if {
	both := {"b": {"seconds": 60, "approvers": []}, "a": {"seconds": 10, "approvers": []}}
	[obligation[0] | some obligation in wanted(call("get"), both)] == ["a", "b"]
}

test_what_is_no_rule_is_not_passed_over[name] if {
	some name, given in {"a rule that is a text": {"x": "get"}, "rules that are a list": [{"seconds": 60, "approvers": []}]}
	[properties | some [_, "approval", properties] in wanted(call("get"), given)] == [{}]
}

test_other_calls_are_not_held_out if wanted(call("issues_list"), {"x": {"seconds": 60, "where": {"tool": ["get"]}}}) == []

test_input_of_a_task_is_held_out_as_its_call if {
	wanted(request("tasks/update", tool_of("github", "issues_list")), rules) == [["deletions", "approval", {"seconds": 600}]]
	wanted(request("tasks/update", tool_of("github", "get")), rules) == [["of-acme", "approval", {"seconds": 60}]]
	wanted(request("tasks/get", tool_of("github", "get")), rules) == []
	wanted(request("tasks/cancel", tool_of("github", "get")), rules) == []
}

test_lists_and_prompts_are_not_held_out if {
	all := {"x": {"seconds": 60, "approvers": []}}
	wanted(request("tools/list", server("github")), all) == []
	given := {"tenants": {"acme": {"github": {"prompts": {"names": {"review": {}}}}}}, "subjects": {}}
	asked := request("prompts/get", {"type": "prompt", "id": "review", "properties": {"server": "github"}})
	decision := mcp.decision with input as asked with data.grants as given with data.approvals as all
	decision == {"allow": true, "reasons": [], "obligations": []}
}

approving(approver, approval) := {
	"subject": approver,
	"action": {"name": "approvals/approve"},
	"resource": tool("issues_list"),
	"context": object.union(context, {"approval": approval}),
}

of_ticket(names, requester) := {"rules": names, "requester": requester}

approval_code(input_document) := codes if {
	decision := mcp.decision with input as input_document with data.grants as grants with data.approvals as rules
	codes := {reason.code | some reason in decision.reasons}
}

may(input_document) if {
	decision := mcp.decision with input as input_document with data.grants as grants with data.approvals as rules
	decision == {"allow": true, "reasons": [], "obligations": []}
}

# requirement: gateway.approval-by-approvers
test_an_approver_of_each_rule_may if {
	may(approving(oncall, of_ticket(["deletions"], subject)))
	may(approving(oncall, of_ticket(["deletions", "of-acme"], subject)))
}

test_an_approver_of_one_rule_of_two_may_not if {
	chief := object.union(oncall, {"id": "spiffe://example.test/ns/ops/sa/chief"})
	approval_code(approving(chief, of_ticket(["deletions", "of-acme"], subject))) == {"approval-not-granted"}
}

test_nobody_else_may[name] if {
	some name, document in {
		"no approver": approving(object.union(oncall, {"id": "spiffe://example.test/ns/ops/sa/x"}), of_ticket(["deletions"], subject)),
		"no rule": approving(oncall, of_ticket([], subject)),
		"a rule that is gone": approving(oncall, of_ticket(["gone"], subject)),
		"nobody's call": approving(oncall, {"rules": ["deletions"]}),
		"no ticket": object.remove(approving(oncall, {}), {"context"}),
		"no identity": approving(object.union(oncall, {"type": "user"}), of_ticket(["deletions"], subject)),
	}
	not may(document)
}

# requirement: gateway.approval-never-own
test_nobody_approves_their_own[name] if {
	some name, requester in {
		"the same SPIFFE ID": object.union(subject, {"id": oncall.id}),
		"the same pod": object.union(subject, {"properties": {"pod": {"uid": "77aa"}}}),
		"the same service account": object.union(subject, {"properties": {"namespace": "ops", "serviceAccount": "oncall"}}),
	}
	approval_code(approving(oncall, of_ticket(["deletions"], requester))) == {"approval-own"}
}

test_an_approver_may_look_and_others_may_not[method] if {
	some method in mcp.approval_methods
	asked := object.union(request(method, server("countersign")), {"subject": oncall})
	may(asked)
	approval_code(request(method, server("countersign"))) == {"approval-not-granted"}
}
