# How often a permit may be used, and how many uses of it may be open at a time. What counts and keeps is the gateway: a permit names the
# limits that it stands under as obligations.
package countersign.mcp

# METADATA
# title: Limit obligations
# description: >-
#   One obligation for each limit of the call and each thing that it limits, in the order of their names. What a limit says is given on
#   as it is: one that the gateway cannot read makes a refusal of the permit.
# schemas:
#   - input: schema.mcp.decision
#   - data.limits: schema.mcp.limits
limit_obligations := [obligation |
	limits := rules_of(data.limits)
	some name in sort(object.keys(limits))
	limit := limits[name]
	not uncounted(limit)
	some type in limit_types(limit)
	obligation := {"id": name, "type": type, "properties": object.remove(limit, aside[type])}
]

# METADATA
# title: Rules of
# description: >-
#   The rules of a document by their names. What is no object says nothing of whom it spares, and nothing that the gateway could carry
#   out: it stands in the way of every call, and is not passed over.
rules_of(document) := {name: rule |
	some name, given in document
	rule := object_of(given)
} if {
	is_object(document)
} else := {"unreadable": {}}

# METADATA
# title: Object of
# description: A value that is an object, and an empty one in the place of any other.
object_of(value) := value if {
	is_object(value)
} else := {}

# METADATA
# title: Aside
# description: The members of a limit that an obligation of each type has no use for.
aside := {
	"rate-limit": {"where", "concurrent"},
	"concurrency-limit": {"where", "calls", "seconds"},
}

# METADATA
# title: Limit types
# description: What a limit limits. One that says nothing limits too, so that the gateway refuses it.
limit_types(limit) := types if {
	types := [type |
		some type in ["rate-limit", "concurrency-limit"]
		names := object.keys(limit) - aside[type]
		count(names - {"per"}) > 0
	]
	count(types) > 0
} else := ["rate-limit"]

# METADATA
# title: Spared
# description: >-
#   The limit says of whom and of what it is, and the call is another one. Where it says so in words that these rules do not understand,
#   nothing is spared.
# schemas:
#   - input: schema.mcp.decision
spared(limit) if {
	some name, values in limit.where
	is_array(values)
	name in {"identity", "namespace", "tenant", "server", "tool"}
	not named(name, values)
}

# METADATA
# title: Uncounted
# description: The call is spared, or none of a tool where the limit is of calls of tools.
# schemas:
#   - input: schema.mcp.decision
uncounted(limit) if spared(limit)

uncounted(limit) if {
	"tool" in limit.per
	not is_tool_call
}

uncounted(limit) if {
	is_array(limit.where.tool)
	not is_tool_call
}

# METADATA
# title: For a tool
# description: Something reaches a tool, as its call or as input of a task that its call has become.
# scope: document
# schemas:
#   - input: schema.mcp.decision
is_for_tool if is_tool_call

is_for_tool if {
	is_task_request
	input.action.name == "tasks/update"
}

# METADATA
# title: Named
# description: The call is of one of these values. A tool may be named by the beginning of its name, with a star.
# schemas:
#   - input: schema.mcp.decision
named(name, values) if parties[name] in values

named("tool", values) if {
	is_for_tool
	some value in values
	endswith(value, "*")
	startswith(input.resource.id, trim_suffix(value, "*"))
}

# METADATA
# title: Parties
# description: Whom and what the call is of.
# schemas:
#   - input: schema.mcp.decision
parties["identity"] := input.subject.id

parties["namespace"] := input.subject.properties.namespace

parties["tenant"] := input.subject.properties.tenant

parties["server"] := input.resource.properties.server

parties["tool"] := input.resource.id if is_for_tool
