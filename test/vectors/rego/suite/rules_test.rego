package suite_test

import data.suite

test_pass if suite.ok with input as {"n": 2}

test_fail if suite.ok with input as {"n": 1}

test_conflict if suite.two with input as {"n": 3}

test_not_true := 3

test_constant["name"] if suite.ok with input as {"n": 3}

test_members contains member if some member in [1, 2]

inner.test_deep if suite.ok with input as {"n": 2}

test_no_case[name] if {
	some name, n in {}
	suite.ok with input as {"n": n}
}

test_all_pass[name] if {
	some name, n in {"two": 2, "three": 3}
	suite.ok with input as {"n": n}
}

test_one_fails[name] if {
	some name, n in {"one": 1, "two": 2}
	suite.ok with input as {"n": n}
}

test_not_true_of[name] := suite.ok if {
	some name in ["a", "b"]
}

test_named[tc.name] if {
	some tc in [{"name": "one", "n": 1, "on": true}, {"name": "off", "n": 2, "on": false}, {"n": 3, "on": true}]
	tc.on
	suite.ok with input as tc
}

test_named_in_a_row[tc.name] if { some tc in [{"name": "one", "n": 1}]; suite.ok with input as tc }

test_named_late[name] if {
	some tc in [{"name": "one", "n": 1}, {"name": "two", "n": 2}]
	suite.ok with input as tc
	name := tc.name
}

test_within[outer][inner] if {
	some outer in ["a", "b"]
	some inner, n in {"one": 1, "two": 2}
	suite.ok with input as {"n": n}
}

test_made[concat("-", [tc.name, "x"])] if {
	some tc in [{"name": "one", "n": 1}, {"name": "two", "n": 2}]
	suite.ok with input as tc
}

test_numbered[n] if {
	some n in [1, 2]
	suite.ok with input as {"n": n}
}

test_under_with[name] if {
	some name in input.names with input as {"names": ["a", "b"]}
	name == "a"
}

test_only_a_constant["a"][name] if {
	some name in ["b", "c"]
	name == "b"
}

todo_test_later if suite.never
