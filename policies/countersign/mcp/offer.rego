# What a server offers beside its tools: prompts, resources and resource templates. Scopes of certificates speak of tools alone, so
# the ceiling covers these where it has any tool of the server; they are granted by name all the same.
package countersign.mcp

# METADATA
# title: Held grants
# description: What the caller's tenant and what this very identity is granted of a server.
# schemas:
#   - input.subject: schema.mcp.subject
#   - data.grants: schema.mcp.grants
held(server) := grants if {
	grants := [given |
		some holders in [
			[data.grants.tenants, object.get(input.subject.properties, "tenant", null)],
			[data.grants.subjects, input.subject.id],
		]
		given := holders[0][holders[1]][server]
	]
}

# METADATA
# title: Offered methods
# description: What may be asked of each kind of thing that a server offers.
offered_methods := {
	"prompt": {"prompts/get", "completion/complete"},
	"resource": {"resources/read", "resources/subscribe", "resources/unsubscribe"},
	"resource_template": {"completion/complete"},
}

# METADATA
# title: Offer request
# description: The request is for something that a server offers beside its tools.
# schemas:
#   - input: schema.mcp.decision
is_offer_request if input.action.name in offered_methods[input.resource.type]

# METADATA
# title: Offer visible
# description: The caller may see it in a list, and may ask for it where its arguments meet the conditions.
offer_visible(resource) if {
	may_call
	resource.properties.server in ceiling_servers
	offer_granted(resource)
}

# METADATA
# title: Offer granted
# description: The tenant or the subject is granted the prompt, the resource or the template.
offer_granted(resource) if {
	resource.type == "prompt"
	some conditions in prompt_conditions(resource)
	gives(conditions, resource)
}

offer_granted(resource) if {
	resource.type in {"resource", "resource_template"}
	some given in held(resource.properties.server)
	resource_granted(given.resources, resource)
}

# METADATA
# title: Conditions of a prompt
# description: The conditions under which each holder's grants give it, the most specific of each.
prompt_conditions(resource) := [conditions |
	some given in held(resource.properties.server)
	conditions := most_specific(prompt_grants(given), resource.id)
]

# METADATA
# title: Grants of prompts
# description: Of one holder, in the form of those of tools.
prompt_grants(given) := {
	"tools": object.get(given.prompts, "names", {}),
	"prefixes": object.get(given.prompts, "prefixes", {}),
}

# METADATA
# title: Prompt arguments allowed
# description: >-
#   A prompt is asked for with arguments that its conditions name. What completes an argument lists its values, so there may be no
#   conditions then.
# schemas:
#   - input: schema.mcp.decision
prompt_arguments_allowed if {
	input.action.name == "prompts/get"
	some conditions in prompt_conditions(input.resource)
	meets(conditions)
}

prompt_arguments_allowed if {
	input.action.name == "completion/complete"
	some conditions in prompt_conditions(input.resource)
	gives(conditions, input.resource)
	object.get(conditions, "arguments", {}) == {}
}

# METADATA
# title: Resource granted
# description: Its URI is granted, the text of its template is, or a prefix under which it surely lies.
resource_granted(grants, resource) if grants.uris[resource.id] == {}

resource_granted(grants, resource) if {
	literal := literal_of(resource)
	some prefix, conditions in grants.prefixes
	conditions == {}
	startswith(literal, prefix)
	bounded(prefix)
	plain(resource.id)
}

# METADATA
# title: Literal part
# description: What every URI of it begins with. A template's variables may become anything (RFC 6570).
literal_of(resource) := resource.id if resource.type == "resource"

literal_of(resource) := split(resource.id, "{")[0] if resource.type == "resource_template"

# METADATA
# title: Bounded prefix
# description: >-
#   The prefix says where it ends: with the scheme, or after the whole authority, for `https://a.example` is how
#   `https://a.example.b.example/` begins, too (RFC 3986 section 3.2). The empty one is all of the server.
bounded("")

bounded(prefix) if endswith(prefix, "/")

bounded(prefix) if {
	contains(prefix, ":")
	not contains(prefix, "//")
}

bounded(prefix) if {
	contains(prefix, "://")
	count(split(prefix, "/")) > 3
}

# METADATA
# title: Plain URI
# description: >-
#   No reader resolves it to another place than it says: it has no dot segments (RFC 3986 section 5.2.4), no empty ones in its path, no
#   backslash, and nothing that becomes such a thing when it is decoded, once or twice.
plain(uri) if {
	not contains(uri, "\\")
	not contains(path_of(uri), "//")
	lowered := lower(uri)
	every escape in ["%2e", "%2f", "%5c", "%25", "%00"] {
		not contains(lowered, escape)
	}
	segments := split(replace(replace(replace(uri, "?", "/"), "#", "/"), ";", "/"), "/")
	every segment in segments {
		not segment in {".", ".."}
	}
}

# METADATA
# title: Path
# description: What stands behind the scheme, before a query and a fragment; with the authority, where there is one.
path_of(uri) := split(split(behind_scheme(uri), "?")[0], "#")[0]

# METADATA
# title: Behind the scheme
# description: A URI without its scheme, and all of what has none.
behind_scheme(uri) := concat("://", array.slice(parts, 1, count(parts))) if {
	parts := split(uri, "://")
	count(parts) > 1
} else := uri
