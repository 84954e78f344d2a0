package countersign.custom_calls_in_window_test

import data.countersign.custom

declared := {"costly-calls": {"seconds": 3600, "most": 2}}

call(tool, history) := {
	"action": {"name": "tools/call"},
	"resource": {"type": "tool", "id": tool, "properties": {"server": "search"}},
	"context": {"history": history},
}

denied(input_document) if {
	some denial in custom.deny with input as input_document with data.history as declared
	denial.code == "too-many-calls"
}

times := ["2026-11-30T10:00:00.000Z", "2026-11-30T10:20:00.000Z"]

test_as_often_as_is_kept if {
	not denied(call("search_web", {"costly-calls": []}))
	not denied(call("search_web", {"costly-calls": array.slice(times, 0, 1)}))
	denied(call("search_web", {"costly-calls": times}))
}

test_none_is_left_where_nothing_is_known if denied(call("search_web", {}))

test_other_tools_are_left_alone if not denied(call("count_hits", {"costly-calls": times}))

test_what_is_remembered if {
	"costly-calls" in custom.remember with input as call("search_papers", {})
	not "costly-calls" in custom.remember with input as call("count_hits", {})
}
