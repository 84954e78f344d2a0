package countersign.custom_pattern_test

import data.countersign.custom

create(tool, arguments) := {
	"action": {"name": "tools/call"},
	"resource": {"type": "tool", "id": tool, "properties": {"server": "github"}},
	"context": {"arguments": arguments},
}

codes(tool, arguments) := {denial.code | some denial in custom.deny with input as create(tool, arguments)}

test_a_branch_that_matches if not "branch-not-allowed" in codes("branches_create", {"branch": "feature/new-door"})

test_other_tools_are_left_alone if not "branch-not-allowed" in codes("branches_list", {})

test_denied[name] if {
	some name, arguments in {
		"another branch": {"branch": "main"},
		"something before it": {"branch": "x; feature/a"},
		"something behind it": {"branch": "feature/a\nmain"},
		"no branch": {},
		"a list": {"branch": ["feature/a"]},
	}
	"branch-not-allowed" in codes("branches_create", arguments)
}
