package countersign.custom_stop_test

import data.countersign.custom

call := {
	"subject": {"properties": {"tenant": "acme"}},
	"action": {"name": "tools/call"},
	"resource": {"type": "tool", "id": "send", "properties": {"server": "mail"}},
}

codes(stop) := {denial.code | some denial in custom.deny with input as call with data.stop as stop}

test_nothing_is_stopped_without_a_word if {
	denied := custom.deny with input as call
	every denial in denied {
		denial.code != "stopped"
	}
}

test_goes_on[name] if {
	some name, stop in {
		"nothing is named": {},
		"not all": {"all": false},
		"another tenant": {"tenants": ["globex"]},
		"another server": {"servers": ["files"], "tenants": []},
	}
	not "stopped" in codes(stop)
}

test_stopped[name] if {
	some name, stop in {
		"all": {"all": true},
		"the tenant": {"tenants": ["acme"]},
		"the server": {"servers": ["mail"]},
		"a misspelled member": {"tenant": ["globex"]},
		"a text in the place of a list": {"tenants": "globex"},
		"a text in the place of a boolean": {"all": "false"},
		"a number in a list": {"servers": [3]},
		"no object": null,
	}
	"stopped" in codes(stop)
}
