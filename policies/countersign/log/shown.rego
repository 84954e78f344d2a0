# What an approver is shown of the arguments of a call that waits: who says yes has to see what to. It is no event, and is written nowhere.
package countersign.log

# METADATA
# title: Mask of what is shown
# description: Members of arguments, at any depth, that hold a secret by their name or by a rule of the approval.
# scope: rule
# schemas:
#   - input: schema.log.event
#   - data.approvals: schema.mcp.approvals
mask contains {"op": "remove", "path": concat("", ["/input/context/arguments", pointer])} if {
	is_shown
	some path
	walk(input.input.context.arguments, [path, value])
	count(path) > 0
	name := path[count(path) - 1]
	is_string(name)
	is_secret(name, value)
	pointer := concat("", [segment | some part in path; segment := concat("", ["/", escaped(part)])])
}

# METADATA
# title: Shown
# description: The event is what an approver would be shown.
# schemas:
#   - input: schema.log.event
is_shown if input.path == "countersign/gateway/approval"

# METADATA
# title: Words of secrets
# description: A member whose name has one of them, without regard to case and to what joins words, is taken for a secret.
secret_words := {
	"accesskey",
	"apikey",
	"authorization",
	"cookie",
	"credential",
	"passphrase",
	"passwd",
	"password",
	"privatekey",
	"secret",
	"token",
}

# METADATA
# title: Secret
# description: A member of this name is not shown, whatever it holds, unless it is a count of tokens and no rule names it.
# scope: document
# schemas:
#   - input: schema.log.event
#   - data.approvals: schema.mcp.approvals
is_secret(name, value) if {
	joined := strings.replace_n({"_": "", "-": "", ".": "", " ": ""}, lower(name))
	some word in secret_words
	contains(joined, word)
	not is_token_count(joined, value)
}

is_secret(name, _) if {
	some rule in input.rules
	some pattern in data.approvals[rule].masked
	matches(pattern, name)
}

# What is no list of names hides all of them.
is_secret(_, _) if {
	some rule in input.rules
	masked := data.approvals[rule].masked
	not is_array(masked)
}

# METADATA
# title: Token count
# description: >-
#   What limits the tokens of a language model (`max_tokens`, `maxOutputTokens`) is a number. No whole word is looked for: `accesstoken` has none.
is_token_count(joined, value) if {
	is_number(value)
	some bound in ["max", "min"]
	startswith(joined, bound)
	endswith(joined, "tokens")
}

# METADATA
# title: Matches
# description: A name, or the beginning of names with a star.
matches(pattern, name) if pattern == name

matches(pattern, name) if {
	endswith(pattern, "*")
	startswith(name, trim_suffix(pattern, "*"))
}

# METADATA
# title: Escaped
# description: A segment of a JSON pointer (RFC 6901 section 4).
escaped(segment) := strings.replace_n({"~": "~0", "/": "~1"}, segment) if is_string(segment)

escaped(segment) := format_int(segment, 10) if is_number(segment)
