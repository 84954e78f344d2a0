# Calls that a module hands to its host, with values that JSON has no words for.
package hosted

said := sprintf("%v %s %d %q %05.1f", [{3, 1, 2}, {"a": [true, null]}, 7, "é\"", 2.25])

keyed := sprintf("%v %v", [{1: "one", [2]: set()}, {{"b", "a"}}])

exact := sprintf("%d %x %v", [123456789012345678901234567890, input.resource.count, 9007199254740993])

amiss := sprintf("%d %[5]s %z", [input.subject.id, 1])

undefined_format := sprintf(input.resource.count, [])

undefined_arguments := sprintf("%d", input.resource)

nested := [text |
	some id in {"b", "a"}
	text := sprintf("%s of %d", [id, count(input.resource)])
]

prefixes := strings.any_prefix_match(input.subject.id, {"z", "a"})

matches := regex.find_n("[a-c]+", input.subject.id, -1)

versions := semver.compare("1.0.0", "1.0.0-rc.1")

amount := units.parse_bytes("2GiB")

subset := object.subset({"ids": {"abc", "x"}}, {"ids": {input.subject.id}})

parts := regex.split("[,;]\\s*", "a, b;c")

range := net.cidr_is_valid("10.0.0.0/8")
