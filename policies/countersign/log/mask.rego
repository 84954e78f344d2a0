# METADATA
# title: Decision log
# description: >-
#   What is kept out of the decision log, and out of what an approver is shown of a call. The input is an event of the log, as OPA's own
#   mask rules see it.
package countersign.log

# METADATA
# title: Mask
# description: >-
#   Changes to an event before it is written: JSON pointers (RFC 6901) to remove or to put another value in the place of.
# scope: document
# entrypoint: true
# schemas:
#   - input: schema.log.event
#   - data.log: schema.log.data
mask contains {"op": "upsert", "path": "/input/context/arguments", "value": input.digests.arguments} if {
	has_arguments
	not is_shown
	not plain_arguments
}

mask contains {"op": "remove", "path": "/input/context/arguments"} if {
	has_arguments
	not is_shown
	not plain_arguments
	not input.digests.arguments
}

mask contains {"op": "upsert", "path": "/input/resources", "value": resources} if input.input.resources

# METADATA
# title: Arguments present
# description: The event holds the arguments of a tool.
# schemas:
#   - input: schema.log.event
has_arguments if "arguments" in object.keys(input.input.context)

# METADATA
# title: Plain arguments
# description: An operator has decided that arguments hold no secrets. By default they do.
# schemas:
#   - data.log: schema.log.data
plain_arguments if data.log.arguments == "plain"

# METADATA
# title: Resources
# description: >-
#   The tools of a list by name and server. Their annotations would make every event of a list long.
# schemas:
#   - input: schema.log.event
resources := [{"type": resource.type, "id": resource.id, "properties": {"server": resource.properties.server}} |
	some resource in input.input.resources
]
