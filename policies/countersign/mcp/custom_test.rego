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

trial := object.union(denial, {"code": "soon", "operator": "see ticket 7", "enforced": false})

told_of_trial := {"code": "soon", "message": "see ticket 7", "audience": "operator"}

test_a_rule_that_is_tried_denies_nothing_and_is_told_to_operators if {
	decision := mcp.decision with data.countersign.custom.deny as {trial}
		with data.grants as mcp_test.grants
		with input as mcp_test.call("get")
	decision == {"allow": true, "reasons": [told_of_trial], "obligations": []}
}

test_a_rule_beside_one_that_is_tried_denies if {
	decision := mcp.decision with data.countersign.custom.deny as {denial, trial}
		with data.grants as mcp_test.grants
		with input as mcp_test.call("get")
	not decision.allow
	[[reason.code, reason.audience] | some reason in decision.reasons] == [
		["city-not-served", "agent"],
		["city-not-served", "operator"],
		["soon", "operator"],
	]
}

test_a_rule_that_is_tried_permits_nothing if {
	decision := mcp.decision with data.countersign.custom.deny as {trial}
		with data.grants as {"tenants": {}, "subjects": {}}
		with input as mcp_test.call("get")
	not decision.allow
	{reason.code | some reason in decision.reasons} == {"not-granted"}
}

test_what_is_not_said_well_to_be_tried_denies[name] if {
	some name, said in {
		"not enforced by a text": [object.union(trial, {"enforced": "false"})],
		"not enforced by a number": [object.union(trial, {"enforced": 0})],
		"not enforced by null": [object.union(trial, {"enforced": null})],
		"enforced": [object.union(trial, {"enforced": true})],
		"no code": [object.remove(trial, ["code"])],
		"no message": [object.remove(trial, ["message"])],
		"a code that is no text": [object.union(trial, {"code": 7})],
		"a text for operators that is none": [object.union(trial, {"operator": 7})],
		"the denial itself": trial,
		"what nobody can read beside it": [trial, "no"],
	}
	decision := mcp.decision with data.countersign.custom.deny as said
		with data.grants as mcp_test.grants
		with input as mcp_test.call("get")
	not decision.allow
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
