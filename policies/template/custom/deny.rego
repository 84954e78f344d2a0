# Rules of your own: each denies what the shipped ones permit, and none can permit anything.
package countersign.custom

# METADATA
# title: Cities
# description: The tool get_weather of the server weather is asked about the cities that we serve.
# scope: document
# custom:
#   code: city-not-served
#   severity: medium
#   audience: [agent, operator]
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "city-not-served", "message": "this city is not served"} if {
	input.action.name == "tools/call"
	input.resource.properties.server == "weather"
	input.resource.id == "get_weather"
	not city_served
}

# METADATA
# title: City served
# description: >-
#   Says what is allowed. A call without the argument, or with one of another type, is not, and so it is denied: had the rule above said
#   what is forbidden, it would have let such a call pass.
# schemas:
#   - input: schema.mcp.decision
city_served if input.context.arguments.city in {"Lisbon", "Oslo"}
