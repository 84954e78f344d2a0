package countersign.custom_prefix_test

import data.countersign.custom

file(tool, arguments) := {
	"action": {"name": "tools/call"},
	"resource": {"type": "tool", "id": tool, "properties": {"server": "files"}},
	"context": {"arguments": arguments},
}

codes(tool, arguments) := {denial.code | some denial in custom.deny with input as file(tool, arguments)}

test_below[name] if {
	some name, path in {"one": "/public/a.txt", "another": "/shared/reports/2026/..summary"}
	not "path-not-allowed" in codes("read_file", {"path": path})
}

test_other_tools_are_left_alone if not "path-not-allowed" in codes("list_files", {})

test_denied[name] if {
	some name, arguments in {
		"elsewhere": {"path": "/private/a.txt"},
		"beside": {"path": "/public-keys/a.txt"},
		"up": {"path": "/public/../private/a.txt"},
		"here": {"path": "/public/./a.txt"},
		"up in another writing": {"path": "/public/%2e%2e/private"},
		"up with another slash": {"path": "/public/..\\private"},
		"cut short": {"path": "/public/a.txt\u0000.png"},
		"a list": {"path": ["/public/a.txt"]},
		"no path": {},
	}
	"path-not-allowed" in codes("write_file", arguments)
}
