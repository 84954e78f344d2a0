# Rules of a platform's own, in the package countersign.custom: `deny contains {"code": …, "message": …} if …`. They deny what these rules
# permit, and can do nothing else.
package countersign.mcp

# METADATA
# title: Undenied
# description: Nobody's own rules deny it. Whatever else they say than nothing is a denial.
# scope: document
undenied if not data.countersign.custom.deny

undenied if count(data.countersign.custom.deny) == 0

# METADATA
# title: Reasons of a denial
# description: Two for each rule that denies. A denial that nobody can read denies all the same.
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
reasons_of(denial) := [
	{"code": denial.code, "message": denial.message, "audience": "agent"},
	{"code": denial.code, "message": object.get(denial, "operator", denial.message), "audience": "operator"},
] if {
	is_string(denial.code)
	is_string(denial.message)
} else := [
	{"code": "denied", "message": "a rule of the platform denies it", "audience": "agent"},
	{
		"code": "denied",
		"message": "data.countersign.custom.deny has it, without the strings code and message",
		"audience": "operator",
	},
]
