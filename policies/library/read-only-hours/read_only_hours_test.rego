package countersign.custom_hours_test

import data.countersign.custom

call(tool, time) := {
	"action": {"name": "tools/call"},
	"resource": {"type": "tool", "id": tool, "properties": {"server": "files"}},
	"context": {"time": time},
}

codes(tool, time) := {denial.code | some denial in custom.deny with input as call(tool, time)}

test_in_working_hours[name] if {
	some name, time in {
		"first": "2026-11-30T07:00:00.000Z",
		"last": "2026-11-30T17:59:59.999Z",
		"another zone": "2026-11-30T20:00:00+09:00",
	}
	not "read-only-hours" in codes("write_file", time)
}

test_reading_at_any_hour if not "read-only-hours" in codes("read_file", "2026-11-30T03:00:00Z")

test_denied[name] if {
	some name, time in {
		"before": "2026-11-30T06:59:59.999Z",
		"after": "2026-11-30T18:00:00Z",
		"another zone": "2026-11-30T12:00:00+09:00",
		"no time": "noon",
		"no text": null,
	}
	"read-only-hours" in codes("write_file", time)
}
