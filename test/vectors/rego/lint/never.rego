# Bodies that no input makes hold, and values that no input has. Of a tool there is a schema, see `lint.test.ts`.
package acme.values

deny contains "two tools" if {
	input.resource.id == "get_weather"
	input.resource.id == "get_tides" # never-holds
}

deny contains "bounds" if {
	is_number(input.context.arguments.days)
	input.context.arguments.days > 7
	input.context.arguments.days < 3 # never-holds
}

deny contains "bounds that meet" if {
	5 <= input.subject.count
	input.subject.count <= 5
}

deny contains "bounds that do not" if {
	5 <= input.subject.count
	input.subject.count < 5 # never-holds
}

deny contains "sets" if {
	id := input.resource.id
	id in {"a", "b"}
	id in {"c", "d"} # never-holds
}

deny contains "prefix" if {
	input.resource.id in {"issues_create", "issues_close"}
	startswith(input.resource.id, "pulls_") # never-holds
}

deny contains "prefixes" if {
	startswith(input.resource.id, "issues_")
	startswith(input.resource.id, "pulls_") # never-holds
}

deny contains "longer prefix" if {
	startswith(input.resource.id, "issues_")
	startswith(input.resource.id, "issues_create")
}

deny contains "itself and not" if {
	input.resource.id == "a"
	input.resource.id != "a" # never-holds
}

deny contains "negated" if {
	input.resource.id == "a"
	not input.resource.id in {"a", "b"} # never-holds
}

deny contains "unknown unit" if {
	input.resource.properties.server == "weather"
	input.resource.id == "get_weather"
	input.context.arguments.unit == "kelvin" # unknown-value
}

deny contains "unknown units" if {
	input.resource.properties.server == "weather"
	input.resource.id == "get_weather"
	not input.context.arguments.unit in {"celsius", "kelvin"} # unknown-value
}

deny contains "known unit" if {
	input.resource.properties.server == "weather"
	input.resource.id == "get_weather"
	not input.context.arguments.unit == "celsius"
}

# METADATA
# schemas:
#   - input.context.arguments: schema.tools.weather.get_weather
deny contains "by metadata" if {
	input.context.arguments.unit in ["fahrenheit", "rankine"] # unknown-value
	input.context.arguments.place.kind == "moon" # unknown-value
	input.context.arguments.place.name == "anything"
}

# Another tool has types of its own.
deny contains "another tool" if {
	input.resource.properties.server == "weather"
	input.resource.id == "get_tides"
	input.context.arguments.unit == "kelvin"
}

# It is about another document than the input that is asked about.
deny contains "with" if {
	input.resource.id == "a"
	input.resource.id == "b" with input as {"resource": {"id": "b"}}
}
