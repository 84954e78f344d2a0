package countersign.custom_test

import data.countersign.custom

get_weather(arguments) := {
	"action": {"name": "tools/call"},
	"resource": {"type": "tool", "id": "get_weather", "properties": {"server": "weather"}},
	"context": {"arguments": arguments},
}

test_a_city_that_is_served if count(custom.deny) == 0 with input as get_weather({"city": "Oslo"})

test_denied[name] if {
	some name, arguments in {
		"another city": {"city": "Paris"},
		"no city": {},
		"several cities": {"city": ["Oslo", "Paris"]},
	}
	some denial in custom.deny with input as get_weather(arguments)
	denial.code == "city-not-served"
}

test_other_tools_are_left_alone if {
	count(custom.deny) == 0 with input as object.union(get_weather({}), {"resource": {"id": "get_tides"}})
}
