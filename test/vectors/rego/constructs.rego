# One rule for each construct of the language. What OPA says of them stands in constructs.answers.json.
package constructs

default defaulted := "no rule held"

defaulted := "never" if input.absent

chained := "first" if {
	input.n > 100
} else := "second" if {
	input.n > 1
} else := "third"

partial_set contains x if some x in input.list

partial_set contains upper(name) if some name, _ in input.object

partial_object[name] := value * 2 if some name, value in input.object

functions := [double(n) | some n in input.list]

double(n) := n * 2 if n > 1

double(n) := 0 if n <= 1

negated if not input.absent

negated_false if not input.n

every_member if {
	every n in input.list {
		n < 10
	}
}

every_member_false if {
	every n in input.list {
		n < 2
	}
}

sets := {"union": {1, 2} | {2, 3}, "both": {1, 2} & {2, 3}, "left": {1, 2} - {2, 3}, "empty": set()}

comprehensions := {"array": [x | some x in input.list; x > 1], "set": {x | some x in input.list}, "object": {k: v | some k, v in input.object}}

composite_keys := {[1, {"a": 2}]: "array", {3: 4}: "object"}[[1, {"a": 2}]]

set_of_objects := {{"a": 1}, {"a": 1.0}, {"b": 1}}

nested contains input.deep[_][_].leaf

dynamic := constructs_by[input.which]

constructs_by.one := 1

constructs_by.two := 2 if input.n

by_name contains data.constructs.constructs_by[name] if some name in ["none", "two"]

with_input := result if result := chained with input.n as 1000

with_inputs := [r | some n in [0, 2, 200]; r := chained with input as {"n": n}]

with_data := result if result := data.limits.calls with data.limits as {"calls": 7}

with_undefined if not with_absent

with_absent if negated with input.absent as true

unified := [a, b] if [a, {"b": b}] = [1, {"b": 2}]

destructured := {x: y | some [x, y] in [["a", 1], ["b", 2]]}

membership := [1 in input.list, 9 in input.list, "a", 1 in input.object, "x" in "text"]

undefined_expression := [x | some n in [1, 0, 2]; x := 10 / n]

wrong_types := [name |
	some name, value in {"text": "a", "number": 1, "null": null}
	startswith(value, "a")
]

numbers := [9007199254740993, 1e21, 0.1 + 0.2, 10 / 4, 7 % 3, 100000000000000000000 + 1, round(2.5), floor(-1.5)]

order := sort({"b", "a", 10, 9, true, null, [1], {"x": 1}, {3}})

texts := [concat("-", ["a", "b"]), split("a.b", "."), replace("aXa", "X", "é"), substring("éab", 1, 1), trim(" x ", " "), lower("ÄB"), indexof("é🙂x", "x"), count("🙂")]

merged := object.union({"a": {"b": 1}}, {"a": {"c": 2}})

picked := object.get(input, ["object", "b"], "none")

walked := {path | walk(input.deep, [path, value]); value == 1}

affix_of_number := strings.any_prefix_match(input.n, ["a"])

affix_list := strings.any_prefix_match("abc", ["x", "a"])

affix_mixed := strings.any_prefix_match("abc", input.mixed)

affix_not if not strings.any_suffix_match(input.n, ["a"])

prototype := [input.object.constructor, input.object.__proto__]

prototype_absent if {
	not input.object.constructor
	not input.object.__proto__
	not input.object.toString
}

reference_to_set if partial_set[1]

reference_to_array := input.list[1]

string_index if not input.text[0]

templates contains $"{x} and {input.absent} of {input.list}" if some x in [1.5, "a", null, true, ["\"\n"], {"k": {1, "b", {}}}, set()]

subsets := [answer |
	some pair in [
		[{"a": {"b": {1, 2}, "c": [1, 2, 3]}, 4: "four"}, {"a": {"b": {1}, "c": [2, 3]}}],
		[{"a": {"b": 1}}, {"a": {}}],
		[{"a": {"b": 1}}, {"a": {"b": 2}}],
		[{"a": 1}, {"b": 1}],
		[{"a": [1, 2]}, {"a": {1}}],
		[{1, [2], {3}}, {[2]}],
		[{1, 2}, {3}],
		[{1}, set()],
		[[1, 2, 1, 2, 3], [1, 2, 3]],
		[[1, 2], [2, 1]],
		[[1], []],
		[[], []],
		[[1, 1], {1, 2}],
		[[1, 2, 3], {3, 1}],
		[[], set()],
		[[1], set()],
		[{"a": 1}, [1]],
		[{1}, [1]],
		["a", "a"],
		[input.object, input.object],
	]
	answer := object.get({"": object.subset(pair[0], pair[1])}, "", "none")
]

subset_undefined if not object.subset({"a": 1}, [1])

ranges := [net.cidr_is_valid(v) | some v in ["10.0.0.0/8", "10.0.0.1/33", "::/0", "fe80::1%eth0/64", "10.0.0.1", "1.2.3.4/08", 5, null]]

pieces := [regex.split(pattern, text) | some pattern in ["a", "", "a*", "^", "$", "(", "\\b"]; some text in ["", "banana", "aa", "x y"]]
