package countersign.log_test

import data.countersign.log

shown(arguments, names) := {
	"path": "countersign/gateway/approval",
	"input": {"context": {"arguments": arguments}},
	"digests": {"arguments": {"sha256": "ab", "octets": 12}},
	"rules": names,
}

hidden(arguments, names, approvals) := {pointer |
	some change in log.mask with input as shown(arguments, names) with data.approvals as approvals with data.log as {}
	change.op == "remove"
	pointer := trim_prefix(change.path, "/input/context/arguments")
}

test_arguments_are_shown if hidden({"repo": "a", "labels": ["x", {"name": "y"}], "n": 1, "none": null}, ["r"], {"r": {}}) == set()

# requirement: gateway.approver-sees-no-secret
test_secrets_are_not_shown[name] if {
	some name in ["password", "dbPassword", "API-Key", "api_key", "x.access key", "Authorization", "client_secret", "refreshToken"]
	hidden({name: "s3cret", "a": [{"b": {name: {"x": 1}}}], "ok": 1}, [], {}) == {
		concat("", ["/", name]),
		concat("", ["/a/0/b/", name]),
	}
}

# requirement: gateway.approver-sees-no-secret
test_a_count_of_tokens_is_shown if {
	hidden({"max_tokens": 1, "in": {"maxOutputTokens": 2.5, "min-tokens": 3}}, [], {}) == set()
	hidden({"max_tokens": 1}, ["r"], {"r": {"masked": ["max*"]}}) == {"/max_tokens"}
}

# requirement: gateway.approver-sees-no-secret
test_what_may_be_a_token_is_no_count[name] if {
	some name, value in {
		"max_tokens": "s3cret",
		"minTokens": ["s3cret"],
		"tokens": 123456,
		"max_token": 123456,
		"page_token": "s3cret",
		"accesstoken": "s3cret",
	}
	hidden({name: value}, [], {}) == {concat("", ["/", name])}
}

# requirement: gateway.approver-sees-no-secret
test_a_rule_hides_more if {
	rules := {"r": {"masked": ["body", "x*"]}, "other": {"masked": ["repo"]}}
	hidden({"body": 1, "repo": 2, "xy": 3, "in": {"body": 4}, "bodyless": 5}, ["r"], rules) == {"/body", "/xy", "/in/body"}
	hidden({"body": 1, "repo": 2}, ["r", "other"], rules) == {"/body", "/repo"}
	hidden({"body": 1, "repo": 2}, ["gone"], rules) == set()
	hidden({"body": 1, "repo": {"a": 2}}, ["r"], {"r": {"masked": ["*"]}}) == {"/body", "/repo", "/repo/a"}
}

# requirement: gateway.approver-sees-no-secret
test_what_is_no_list_hides_everything[name] if {
	some name, masked in {"a text": "body", "an object": {"body": true}, "null": null, "false": false}
	hidden({"body": 1}, ["r"], {"r": {"masked": masked}}) == {"/body"}
}

test_pointers_are_escaped if hidden({"a/~token": 1}, [], {}) == {"/a~1~0token"}

test_nothing_is_shown_where_there_is_nothing if {
	log.mask == set() with input as {"path": "countersign/gateway/approval"} with data.log as {} with data.approvals as {}
	hidden("token", [], {}) == set()
}

test_an_event_is_not_shown if {
	event_of_log := object.union(shown({"password": 1}, []), {"path": "countersign/mcp/decision"})
	changes := log.mask with input as event_of_log with data.log as {"arguments": "plain"} with data.approvals as {}
	changes == set()
}
