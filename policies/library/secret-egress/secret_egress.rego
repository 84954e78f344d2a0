# Nothing that looks like a secret is sent to tool servers that lead out.
package countersign.custom

# METADATA
# title: Secrets on their way out
# description: >-
#   The arguments of calls of servers that lead out hold nothing that looks like a secret. It finds what has a well-known form, and is no proof
#   that there is none. Arguments of more than some 30,000 characters take more steps than a call has, and are refused.
# custom:
#   code: secret-in-arguments
#   severity: high
#   audience: [agent, operator]
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "secret-in-arguments", "message": "the arguments hold what looks like a secret"} if {
	input.action.name == "tools/call"
	input.resource.properties.server in {"mail", "web"}
	not without_secrets
}

# METADATA
# title: Without secrets
# description: >-
#   A call without arguments, or one whose arguments, names and values alike, have none of the forms: a private key in PEM, an access key of
#   AWS, a token of GitHub or Slack, a signed JWT.
# schemas:
#   - input: schema.mcp.decision
without_secrets if object.get(input.context, "arguments", null) == null

without_secrets if {
	written := json.marshal(input.context.arguments)
	not regex.match(
		`-----BEGIN [A-Z ]*PRIVATE KEY|(A3T|AKIA|ASIA)[A-Z0-9]{16}|gh[oprsu]_[A-Za-z0-9]{36}|xox[abprs]-[A-Za-z0-9-]{10}|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.`,
		written,
	)
}
