package countersign.custom_range_test

import data.countersign.custom

transfer(tool, arguments) := {
	"action": {"name": "tools/call"},
	"resource": {"type": "tool", "id": tool, "properties": {"server": "bank"}},
	"context": {"arguments": arguments},
}

codes(tool, arguments) := {denial.code | some denial in custom.deny with input as transfer(tool, arguments)}

test_within[name] if {
	some name, amount in {"the most": 100, "a little": 0.01}
	not "amount-not-allowed" in codes("transfer", {"amount": amount})
}

test_other_tools_are_left_alone if not "amount-not-allowed" in codes("balance", {})

test_denied[name] if {
	some name, arguments in {
		"nothing at all": {"amount": 0},
		"less than nothing": {"amount": -5},
		"too much": {"amount": 100.01},
		"a text": {"amount": "50"},
		"null": {"amount": null},
		"no amount": {},
	}
	"amount-not-allowed" in codes("transfer", arguments)
}
