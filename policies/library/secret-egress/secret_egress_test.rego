package countersign.custom_egress_test

import data.countersign.custom

send(server, context) := {
	"action": {"name": "tools/call"},
	"resource": {"type": "tool", "id": "send", "properties": {"server": server}},
	"context": context,
}

codes(server, context) := {denial.code | some denial in custom.deny with input as send(server, context)}

key := concat("", ["-----BEGIN EC PRIVATE", " KEY-----\nMHcCAQEE"])

test_sent[name] if {
	some name, context in {
		"a text": {"arguments": {"text": "the key is under the mat"}},
		"what only begins so": {"arguments": {"text": "AKIA is a name"}},
		"no arguments": {},
	}
	not "secret-in-arguments" in codes("mail", context)
}

test_servers_within_are_left_alone if not "secret-in-arguments" in codes("vault", {"arguments": {"key": key}})

test_denied[name] if {
	some name, arguments in {
		"a private key": {"text": key},
		"deep down": {"parts": [{"text": [key]}]},
		"as a name": {concat("", ["AKIA", "ABCDEFGHIJKLMNOP"]): true},
		"a token of GitHub": {"text": concat("", ["ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"])},
		"a token of Slack": {"text": concat("", ["xoxb-", "1234567890-abc"])},
		"a JWT": {"text": concat(".", ["eyJhbGciOiJFUzI1NiJ9", "eyJzdWIiOiJyZWFkZXIifQ", "c2ln"])},
	}
	"secret-in-arguments" in codes("web", {"arguments": arguments})
}
