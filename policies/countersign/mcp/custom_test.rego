package countersign.custom_test

import data.countersign.mcp
import data.countersign.mcp_test

denial := {"code": "city-not-served", "message": "this city is not served"}

test_no_rules_of_ones_own if {
	mcp.decision == {"allow": true, "reasons": [], "obligations": []} with data.grants as mcp_test.grants
		with input as mcp_test.call("get")
}

test_rules_that_say_nothing[name] if {
	some name, said in {"an empty set": set(), "an empty list": [], "false": false}
	mcp.decision.allow with data.countersign.custom.deny as said
		with data.grants as mcp_test.grants
		with input as mcp_test.call("get")
}

test_a_rule_denies_what_is_granted if {
	decision := mcp.decision with data.countersign.custom.deny as {denial}
		with data.grants as mcp_test.grants
		with input as mcp_test.call("get")
	decision == {
		"allow": false,
		"reasons": [
			{"code": "city-not-served", "message": "this city is not served", "audience": "agent"},
			{"code": "city-not-served", "message": "this city is not served", "audience": "operator"},
		],
		"obligations": [],
	}
}

test_operators_are_told_more if {
	decision := mcp.decision with data.countersign.custom.deny as {object.union(denial, {"operator": "see ticket 7"})}
		with data.grants as mcp_test.grants
		with input as mcp_test.call("get")
	[reason.message | some reason in decision.reasons] == ["this city is not served", "see ticket 7"]
}

test_each_denial_is_told if {
	decision := mcp.decision with data.countersign.custom.deny as {denial, object.union(denial, {"code": "closed"})}
		with data.grants as mcp_test.grants
		with input as mcp_test.call("get")
	[reason.code | some reason in decision.reasons] == ["city-not-served", "city-not-served", "closed", "closed"]
}

test_what_nobody_can_read_denies[name] if {
	some name, said in {
		"true": true,
		"null": null,
		"a number": 7,
		"a text": "no",
		"a text in a list": ["no"],
		"no message": [{"code": "no"}],
		"a code that is no text": [object.union(denial, {"code": 7})],
		"a message that is no text": [object.union(denial, {"message": 7})],
	}
	decision := mcp.decision with data.countersign.custom.deny as said
		with data.grants as mcp_test.grants
		with input as mcp_test.call("get")
	not decision.allow
	[reason.code | some reason in decision.reasons] == ["denied", "denied"]
	decision.obligations == []
}

test_a_denial_stands_in_the_way_of_every_method[method] if {
	some method in ["tools/list", "ping"]
	mcp.decision.allow with data.grants as mcp_test.grants
		with input as mcp_test.request(method, mcp_test.server("github"))
	not mcp.decision.allow with data.countersign.custom.deny as {denial}
		with data.grants as mcp_test.grants
		with input as mcp_test.request(method, mcp_test.server("github"))
}

test_what_is_not_permitted_has_the_shipped_reason if {
	decision := mcp.decision with data.countersign.custom.deny as {denial}
		with data.grants as {"tenants": {}, "subjects": {}}
		with input as mcp_test.call("get")
	decision.reasons[0].code == "not-granted"
}
