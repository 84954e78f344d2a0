# What a permitted call may bring back: obligations of the permit, from the grants that give it.
package countersign.mcp

# METADATA
# title: Methods with limits of results
# description: Those of what a grant gives. A task brings what its call would have brought.
methods_with_results := {
	"completion/complete",
	"prompts/get",
	"resources/read",
	"resources/subscribe",
	"resources/unsubscribe",
	"tasks/cancel",
	"tasks/get",
	"tasks/result",
	"tasks/update",
	"tools/call",
}

# METADATA
# title: Permitting grants
# description: The grants that give the call by themselves, the subject's after the tenant's.
# schemas:
#   - input: schema.mcp.decision
permitting_grants := [given |
	some given in held(input.resource.properties.server)
	permits(given)
]

# METADATA
# title: Permits
# description: The grants of one holder give this call.
# scope: document
# schemas:
#   - input: schema.mcp.decision
permits(given) if meets(conditions_in(given, input.resource))

permits(given) if {
	is_task_request
	gives(conditions_in(given, input.resource), input.resource)
}

permits(given) if {
	input.resource.type in {"resource", "resource_template"}
	resource_granted(given.resources, input.resource)
}

# METADATA
# title: Limits of the result
# description: >-
#   Those of every grant that gives the call: whoever is granted something beside the tenant is not freed of what the tenant stands under.
#   In each of them what is said of the tool or the prompt counts in place of what is said of the server.
# schemas:
#   - input: schema.mcp.decision
result_limits := [limits |
	input.action.name in methods_with_results
	some given in permitting_grants
	limits := result_in(given, input.resource)
]

# METADATA
# title: Result of a grant
# description: What it says of results.
result_in(given, resource) := limits if {
	limits := conditions_in(given, resource).result
} else := given.result

# METADATA
# title: Types of obligations of results
# description: By the member of a grant. One that is not known is given on, and nobody can meet it.
result_types := {"octetsMax": "result-octets", "resources": "result-resources"}

# METADATA
# title: Obligations of the result
# description: One for each member of each of them. The narrowest counts.
# schemas:
#   - input: schema.mcp.decision
result_obligations := [obligation |
	some limits in result_limits
	some obligation in obligations_of_result(limits)
]

# METADATA
# title: Obligations of limits of a result
# description: One for each member, and one that nobody can meet where there are no members to be read.
obligations_of_result(limits) := [{"id": member, "type": type, "properties": {"value": value}} |
	some member, value in limits
	type := object.get(result_types, member, "result-unknown")
] if {
	is_object(limits)
} else := [{"id": "result", "type": "result-unknown", "properties": {}}]
