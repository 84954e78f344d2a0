# What one tool is refused without says nothing of another tool.
package countersign.custom

deny contains "no city" if {
	input.resource.id == "get_weather"
	not city_served
}

city_served if input.context.arguments.city in {"Lisbon", "Oslo"}

# It is refused without the argument above.
deny contains "far" if {
	input.resource.id == "get_weather"
	startswith(input.context.arguments.city, "Z")
}

deny contains "forecast" if {
	input.resource.id == "get_forecast"
	startswith(input.context.arguments.city, "Z") # absent-argument
}

deny contains "either" if {
	input.resource.id in {"get_weather", "get_forecast"}
	input.context.arguments.city != "Lisbon" # absent-argument
}

# It is about any tool.
deny contains "any" if input.context.arguments.city != "Oslo" # absent-argument
