package countersign.issuance_test

import data.countersign.issuance

request := {
	"subject": {
		"type": "identity",
		"id": "spiffe://example.test/ns/research/sa/reader",
		"properties": {
			"namespace": "research",
			"serviceAccount": "reader",
			"pod": {"name": "reader-0", "uid": "4fd2"},
			"node": "node-a",
			"role": "agent",
			"tenant": "acme",
			"models": [],
			"toolScopes": [],
		},
	},
	"action": {"name": "issue"},
	"resource": {
		"type": "certificate",
		"id": "countersign.dev/identity",
		"properties": {"keyType": "ECDSAP256", "lifetimeSeconds": 3600, "dnsNames": []},
	},
	"context": {"time": "2026-11-22T09:00:00Z"},
}

nothing_set := {"denied_namespaces": {}, "lifetime_seconds_max": {}}

decided(settings) := decision if {
	decision := issuance.decision with input as request
		with data.issuance as object.union(nothing_set, settings)
}

refusal(code, message) := {
	"allow": false,
	"reasons": [{"code": code, "message": message, "audience": "operator"}],
}

test_allowed_by_default if decided({}) == {"allow": true, "reasons": []}

test_denied_namespace if {
	expected := refusal("namespace-denied", "data.issuance.denied_namespaces names the namespace")
	decided({"denied_namespaces": {"research": true}}) == expected
	decided({"denied_namespaces": {"research": "under review"}}) == expected
}

test_other_namespace_denied if decided({"denied_namespaces": {"Research": true, "search": true}}).allow

test_shorter_life_of_a_role if {
	decided({"lifetime_seconds_max": {"agent": 1800}}) == {"allow": true, "reasons": [], "lifetime_seconds_max": 1800}
}

test_shorter_life_of_another_role if {
	decided({"lifetime_seconds_max": {"tool-server": 1800}}) == {"allow": true, "reasons": []}
}

test_input_without_identity[name] if {
	some name, document in {
		"empty": {},
		"other type": object.union(request, {"subject": {"type": "user"}}),
		"empty id": object.union(request, {"subject": {"id": ""}}),
		"empty namespace": object.union(request, {"subject": {"properties": {"namespace": ""}}}),
	}
	decision := issuance.decision with input as document with data.issuance as nothing_set
	decision == refusal("subject-missing", "the input names no identity")
}

test_malformed_data_is_no_answer[name] if {
	some name, settings in {
		"namespaces as an array": {"denied_namespaces": ["research"]},
		"lives as a number": {"lifetime_seconds_max": 3600},
		"life as text": {"lifetime_seconds_max": {"agent": "1h"}},
		"life of nothing": {"lifetime_seconds_max": {"tool-server": 0}},
		"life below a second": {"lifetime_seconds_max": {"agent": 1.5}},
	}
	not decided(settings)
}

test_missing_data_is_no_answer if not issuance.decision with input as request with data.issuance as {}
