package countersign.mcp

# METADATA
# title: List
# description: >-
#   The indices of `input.resources` that the caller may see, and how many resources were judged. Conditions on
#   arguments cannot be decided here: a tool that some call may use is shown.
# scope: document
# entrypoint: true
# schemas:
#   - input: schema.mcp.list
#   - data.grants: schema.mcp.grants
list := {
	"allowed": [index |
		some index, resource in input.resources
		shown(resource)
	],
	"count": count(object.get(input, "resources", [])),
}

# METADATA
# title: Shown
# description: What a call of some kind may use.
shown(resource) if {
	resource.type == "tool"
	visible(resource)
}

shown(resource) if {
	resource.type != "tool"
	offer_visible(resource)
}
