package countersign.custom_after_secret_test

import data.countersign.custom

about(type, server, history) := {
	"action": {"name": "tools/call"},
	"resource": {"type": type, "id": "x", "properties": {"server": server}},
	"context": {"history": history},
}

denied(input_document) if {
	some denial in custom.deny with input as input_document
	denial.code == "secret-was-read"
}

test_out_before_a_secret_was_read if not denied(about("tool", "mail", {"secret-read": []}))

test_not_out_after[name] if {
	some name, history in {
		"a secret": {"secret-read": ["2026-11-30T10:00:00.000Z"]},
		"who knows what": {},
		"something else": {"calls": []},
	}
	denied(about("tool", "mail", history))
}

test_no_other_way_out[type] if {
	some type in ["tool", "resource", "prompt"]
	denied(about(type, "web", {"secret-read": ["2026-11-30T10:00:00.000Z"]}))
}

test_other_servers_and_lists_are_left_alone if {
	read := {"secret-read": ["2026-11-30T10:00:00.000Z"]}
	not denied(about("tool", "files", read))
	not denied(about("mcp_server", "mail", read))
}

test_what_is_remembered if {
	"secret-read" in custom.remember with input as about("tool", "vault", {})
	"secret-read" in custom.remember with input as about("resource", "vault", {})
	not "secret-read" in custom.remember with input as about("mcp_server", "vault", {})
	not "secret-read" in custom.remember with input as about("tool", "files", {})
}
