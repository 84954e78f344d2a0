# A number argument has to lie between two bounds.
package countersign.custom

# METADATA
# title: Range of an argument
# description: >-
#   The argument amount of the tool transfer of the server bank is a number above 0, and 100 at the most. A call without it, or with another
#   type in its place, is denied.
# custom:
#   code: amount-not-allowed
#   severity: high
#   audience: [agent, operator]
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "amount-not-allowed", "message": "an amount is above 0, and 100 at the most"} if {
	input.action.name == "tools/call"
	input.resource.properties.server == "bank"
	input.resource.id == "transfer"
	not amount_allowed
}

# METADATA
# title: Amount allowed
# description: Types have an order in Rego, in which a text is more than any number and null is less, so the type is asked for, too.
# schemas:
#   - input: schema.mcp.decision
amount_allowed if {
	is_number(input.context.arguments.amount)
	input.context.arguments.amount > 0
	input.context.arguments.amount <= 100
}
