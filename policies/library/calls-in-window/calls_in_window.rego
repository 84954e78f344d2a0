# So many calls of some tools in so much time, for each identity.
package countersign.custom

# METADATA
# title: Calls in a window
# description: >-
#   Costly tools are called so often as data.history keeps of the fact costly-calls: `most` calls in `seconds`, of one identity and all of its
#   pods together. Unlike a limit of rate the window moves with each call.
# custom:
#   code: too-many-calls
#   severity: low
#   audience: [agent, operator]
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "too-many-calls", "message": "it was called as often as it may be"} if {
	costly
	not calls_left
}

# METADATA
# title: Calls left
# description: The history has fewer than are kept at the most. Without a history this is undefined, and so nothing is left.
# schemas:
#   - input: schema.mcp.decision
#   - data.history: schema.mcp.history
calls_left if count(input.context.history["costly-calls"]) < data.history["costly-calls"].most

# METADATA
# title: Costly
# description: The tools that are counted, by their servers.
# schemas:
#   - input: schema.mcp.decision
costly if {
	input.action.name == "tools/call"
	input.resource.id in {"search": {"search_web", "search_papers"}}[input.resource.properties.server]
}

# METADATA
# title: A costly call
# description: Each that is permitted is kept.
# schemas:
#   - input: schema.mcp.decision
remember contains "costly-calls" if costly
