package countersign.log_test

import data.countersign.log

event(context) := {
	"path": "countersign/mcp/decision",
	"input": {"context": context},
	"digests": {"arguments": {"sha256": "ab", "octets": 12}},
}

test_arguments_give_way_to_their_digest[name] if {
	some name, arguments in {"object": {"token": "secret"}, "false": false, "null": null}
	changes := log.mask with input as event({"arguments": arguments, "era": "modern"}) with data.log as {}
	changes == {{"op": "upsert", "path": "/input/context/arguments", "value": {"sha256": "ab", "octets": 12}}}
}

test_arguments_without_a_digest_are_removed if {
	changes := log.mask with input as object.remove(event({"arguments": {}}), ["digests"]) with data.log as {}
	changes == {{"op": "remove", "path": "/input/context/arguments"}}
}

test_arguments_stay_when_an_operator_says_so if {
	changes := log.mask with input as event({"arguments": {}}) with data.log as {"arguments": "plain"}
	changes == set()
}

test_other_settings_are_not_plain[setting] if {
	some setting in ["Plain", "", true, null]
	changes := log.mask with input as event({"arguments": {}}) with data.log as {"arguments": setting}
	count(changes) == 1
}

test_nothing_to_mask if {
	log.mask == set() with input as event({}) with data.log as {}
	log.mask == set() with input as {} with data.log as {}
}

test_resources_of_a_list_are_shortened if {
	long := {"type": "tool", "id": "get", "properties": {"server": "github", "annotations": {"title": "x"}}}
	changes := log.mask with input as {"input": {"resources": [long]}} with data.log as {}
	short := {"type": "tool", "id": "get", "properties": {"server": "github"}}
	changes == {{"op": "upsert", "path": "/input/resources", "value": [short]}}
}
