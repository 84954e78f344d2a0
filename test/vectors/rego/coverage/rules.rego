package covered

default allow := false

allow if {
	input.a == 1
	some x in input.list
	x > 3
}

allow if input.b

names contains name if {
	some name in input.list
	not bad(name)
}

bad(x) if x == 7

bad(x) if {
	x == 9
}

kind := "one" if {
	input.a == 1
} else := "two" if {
	input.a == 2
} else := "none"

members[k] := v if {
	some k, v in input.object
	every each in v {
		each > 1
		each < 10
	}
}

large := [x |
	some x in input.list
	x > 1
]
