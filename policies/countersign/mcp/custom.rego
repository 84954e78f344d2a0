# Rules of a platform's own, in the package countersign.custom: `deny contains {"code": …, "message": …} if …`. They deny what these rules
# permit, and can do nothing else. One that says `"enforced": false` is tried: what it would deny is logged, and permitted.
package countersign.mcp

# METADATA
# title: Undenied
# description: Nobody's own rules deny it. Whatever else they say than nothing is a denial, but for one that says well that it is tried.
# scope: document
undenied if not data.countersign.custom.deny

undenied if count(data.countersign.custom.deny) == 0

undenied if {
	every denial in data.countersign.custom.deny {
		tried(denial)
	}
}

# METADATA
# title: Tried
# description: >-
#   A denial that is not enforced, by exactly the boolean false, and that can be read. One that cannot denies, whatever it says.
tried(denial) if {
	denial.enforced == false
	readable(denial)
}

# METADATA
# title: Readable
# description: A denial with a code and a message, and what it says to operators where it says more to them.
readable(denial) if {
	is_string(denial.code)
	is_string(denial.message)
	is_string(object.get(denial, "operator", ""))
}

# METADATA
# title: Tried reasons
# description: For operators alone, what the rules say that are tried. An agent is never told of them.
# scope: document
tried_reasons := [operator_reason(denial) |
	some denial in data.countersign.custom.deny
	tried(denial)
]

# METADATA
# title: Reasons of a denial
# description: Two for each rule that denies, and one for each that is tried. A denial that nobody can read denies all the same.
# scope: document
denial_reasons := reasons if {
	reasons := [reason |
		some denial in data.countersign.custom.deny
		some reason in reasons_of(denial)
	]
	count(reasons) > 0
} else := reasons_of(null)

# METADATA
# title: Reasons of one denial
# description: What it says to agents, and to operators where it says more to them.
reasons_of(denial) := [operator_reason(denial)] if tried(denial)

else := [
	{"code": denial.code, "message": denial.message, "audience": "agent"},
	operator_reason(denial),
] if {
	readable(denial)
}

else := [
	{"code": "denied", "message": "a rule of the platform denies it", "audience": "agent"},
	{
		"code": "denied",
		"message": "data.countersign.custom.deny has it, without the strings code and message",
		"audience": "operator",
	},
]

# METADATA
# title: Operator reason
# description: What a denial says to operators.
operator_reason(denial) := {
	"code": denial.code,
	"message": object.get(denial, "operator", denial.message),
	"audience": "operator",
}
