package countersign.mcp_test

import data.countersign.mcp

offers := {
	"tenants": {"acme": {"github": {
		"prompts": {
			"names": {"review": {}, "summary": {"arguments": {"length": ["short"]}}},
			"prefixes": {"triage_": {}},
		},
		"resources": {
			"uris": {"repo://a/readme": {}, "repo://{owner}/{name}": {}},
			"prefixes": {"file:///srv/docs/": {}, "memo:": {}, "note:a": {}, "https://a.example/": {}, "repo://b/x": {}},
		},
	}}},
	"subjects": {subject.id: {"github": {"prompts": {"names": {"own": {}}}, "resources": {"uris": {"repo://own": {}}}}}},
}

prompt(name) := {"type": "prompt", "id": name, "properties": {"server": "github"}}

resource(uri) := {"type": "resource", "id": uri, "properties": {"server": "github"}}

template(text) := {"type": "resource_template", "id": text, "properties": {"server": "github"}}

get(name) := request("prompts/get", prompt(name))

read(uri) := request("resources/read", resource(uri))

complete(what) := request("completion/complete", what)

test_prompt_granted[name] if {
	some name in ["review", "triage_bug", "own"]
	allowed_by(get(name), offers)
}

test_prompt_not_granted[name] if {
	some name in ["other", "Review", "review2", "triage", ""]
	code_by(get(name), offers) == "not-granted"
}

test_prompt_with_conditions if {
	input_document := object.union(get("summary"), {"context": {"arguments": {"length": "short"}}})
	allowed_by(input_document, offers)
	code_by(get("summary"), offers) == "argument-not-allowed"
	other := object.union(get("summary"), {"context": {"arguments": {"length": "long"}}})
	code_by(other, offers) == "argument-not-allowed"
}

test_completion_of_a_prompt if {
	allowed_by(complete(prompt("review")), offers)
	code_by(complete(prompt("summary")), offers) == "argument-not-allowed"
	code_by(complete(prompt("other")), offers) == "not-granted"
}

test_completion_of_a_template if {
	allowed_by(complete(template("repo://{owner}/{name}")), offers)
	allowed_by(complete(template("file:///srv/docs/{name}")), offers)
	code_by(complete(template("file:///srv/{name}")), offers) == "not-granted"
	code_by(complete(template("{+path}")), offers) == "not-granted"
	code_by(complete(template("file:///srv/docs/../{name}")), offers) == "not-granted"
}

test_a_template_is_no_resource if code_by(read("repo://x/y"), offers) == "not-granted"

test_resource_granted[uri] if {
	some uri in [
		"repo://a/readme", "repo://own", "file:///srv/docs/", "file:///srv/docs/a/b.txt", "file:///srv/docs/..a/b..",
		"memo:1", "note:ab", "https://a.example/x?y=http://b", "https://a.example/#//", "repo://b/xy",
	]
	allowed_by(read(uri), offers)
}

test_resource_not_granted[uri] if {
	some uri in ["repo://a/readme2", "repo://A/readme", "file:///srv/doc", "FILE:///srv/docs/a", "memo", "https://a.example.b.example/", ""]
	code_by(read(uri), offers) == "not-granted"
}

test_resource_that_resolves_elsewhere[uri] if {
	some uri in [
		"file:///srv/docs/../secret", "file:///srv/docs/..", "file:///srv/docs/./a", "file:///srv/docs/%2e%2e/secret",
		"file:///srv/docs/%2E./secret", "file:///srv/docs/..%2fsecret", "file:///srv/docs/..\\secret", "file:///srv/docs/..%5Csecret",
		"file:///srv/docs/%252e%252e/secret", "file:///srv/docs/..?x", "file:///srv/docs/..#x", "file:///srv/docs/..;/secret",
		"file:///srv/docs/a%00", "file:///srv/docs/a?x=/../b", "file:///srv/docs//etc/passwd", "file:////srv/docs/a", "memo:a//b",
	]
	code_by(read(uri), offers) == "not-granted"
}

test_subscriptions_are_granted_as_reading[method] if {
	some method in ["resources/subscribe", "resources/unsubscribe"]
	allowed_by(request(method, resource("repo://own")), offers)
	code_by(request(method, resource("repo://other")), offers) == "not-granted"
}

test_prefix_that_ends_in_the_authority_gives_nothing[prefix] if {
	some prefix in ["https://a.example", "https://a.example:", "https://a", "https", "h", "//a.example"]
	given := {"tenants": {"acme": {"github": {"resources": {"prefixes": {prefix: {}}}}}}, "subjects": {}}
	code_by(read("https://a.example.b.example/"), given) == "not-granted"
	code_by(read("https://a.example:x@b.example/"), given) == "not-granted"
}

test_prefix_of_a_scheme[prefix] if {
	some prefix in ["", "https:", "https://", "https://a.example/", "https://a.example/b"]
	given := {"tenants": {"acme": {"github": {"resources": {"prefixes": {prefix: {}}}}}}, "subjects": {}}
	allowed_by(read("https://a.example/b"), given)
}

test_malformed_offer_gives_nothing[name] if {
	some name, given in {
		"true": true,
		"list": ["review", "repo://a"],
		"prompts as a list": {"prompts": ["review"]},
		"names as a list": {"prompts": {"names": ["review"]}},
		"conditions unknown": {"prompts": {"names": {"review": {"argument": {}}}}},
		"conditions true": {"prompts": {"names": {"review": true}}},
		"tools of that name": {"tools": {"review": {}, "repo://a": {}}, "prefixes": {"": {}}},
		"uris as a list": {"resources": {"uris": ["repo://a"]}},
		"conditions on a resource": {"resources": {"uris": {"repo://a": {"arguments": {}}}, "prefixes": {"": {"arguments": {}}}}},
	}
	grants_of_tenant := {"tenants": {"acme": {"github": given}}, "subjects": {}}
	code_by(get("review"), grants_of_tenant) == "not-granted"
	code_by(read("repo://a"), grants_of_tenant) == "not-granted"
}

test_offer_of_a_server_outside_the_ceiling[method] if {
	some method, what in {"prompts/get": prompt("review"), "resources/read": resource("memo:1")}
	code_by(with_properties(request(method, what), {"toolScopes": ["files:*"]}), offers) == "outside-ceiling"
	code_by(with_properties(request(method, what), {"toolScopes": []}), offers) == "outside-ceiling"
}

test_offer_for_a_role_that_may_not_call if {
	code_by(with_properties(get("review"), {"role": "tool-server"}), offers) == "role-not-allowed"
}

test_method_of_another_kind[method] if {
	some method, what in {
		"prompts/get": resource("memo:1"),
		"resources/read": prompt("review"),
		"resources/read ": resource("memo:1"),
		"tools/call": prompt("review"),
		"completion/complete": resource("memo:1"),
		"resources/list": resource("memo:1"),
	}
	code_by(request(method, what), offers) == "method-not-allowed"
}

test_offers_are_listed_as_they_are_granted if {
	resources := [
		prompt("review"), prompt("other"), prompt("summary"),
		resource("memo:1"), resource("file:///srv/docs/../x"),
		template("repo://{owner}/{name}"), template("x:{y}"),
		{"type": "task", "id": "1", "properties": {"server": "github"}},
	]
	shown := mcp.list with data.grants as offers
		with input as {"subject": subject, "action": {"name": "prompts/list"}, "resources": resources, "context": context}
	shown == {"allowed": [0, 2, 3, 5], "count": 8}
}

test_a_prefix_gives_nothing_by_itself if {
	without_tenant := {"tenants": {}, "subjects": {}}
	code_by(get("review"), without_tenant) == "not-granted"
}
