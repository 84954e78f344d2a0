# What permits by itself.
package acme

default allow := false

allow if {
	input.resource.id == "get_weather"
	not startswith(input.context.arguments.city, "Atl") # absent-argument
}

allow if {
	input.context.arguments.amount <= 100
	not input.context.arguments.amount == 13
}

allow if not data.acme.forbidden

forbidden if input.context.arguments.mode != "read" # absent-argument
