package countersign.history_test

import data.countersign.mcp
import data.countersign.mcp_test

wanted(input_document, said) := [[obligation.id, obligation.type, obligation.properties] |
	decision := mcp.decision with data.countersign.custom.remember as said
		with data.grants as mcp_test.grants
		with input as input_document
	decision.allow
	some obligation in decision.obligations
]

test_nothing_is_remembered_unless_a_rule_says_so[name] if {
	some name, said in {"an empty set": set(), "nothing": {fact | some fact in []}}
	wanted(mcp_test.call("get"), said) == []
}

# requirement: policy.history-kept-first
test_a_permit_names_what_is_to_be_kept if {
	said := {"secret-read", "calls"}
	wanted(mcp_test.call("get"), said) == [["calls", "remember", {}], ["secret-read", "remember", {}]]
}

test_a_name_that_is_none_is_not_passed_over if wanted(mcp_test.call("get"), {7}) == [[7, "remember", {}]]

test_what_is_no_collection_of_names_is_not_passed_over[name] if {
	some name, said in {"a text": "calls", "true": true, "false": false, "an object": {"calls": true}, "null": null}
	wanted(mcp_test.call("get"), said) == [["unreadable", "remember", {}]]
}

test_a_refusal_keeps_nothing if {
	decision := mcp.decision with data.countersign.custom.remember as {"calls"}
		with data.countersign.custom.deny as {{"code": "no", "message": "no"}}
		with data.grants as mcp_test.grants
		with input as mcp_test.call("get")
	decision.obligations == []
	not decision.allow
}

test_lists_keep_nothing if {
	wanted(mcp_test.request("tools/list", mcp_test.server("github")), {"calls"}) == []
}

test_rules_that_say_nothing_remember_nothing if {
	mcp.remembered == [] with data.countersign.custom as {"deny": set()}
}
