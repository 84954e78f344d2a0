# Nothing is sent out for a while after a secret was read.
package countersign.custom

# METADATA
# title: Nothing goes out after a secret
# description: >-
#   Servers that lead out are not used while the history of the caller has a secret that it has read. How long that counts is what
#   data.history says of the fact secret-read; where nothing is known of it, nothing goes out.
# custom:
#   code: secret-was-read
#   severity: high
#   audience: [agent, operator]
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "secret-was-read", "message": "nothing is sent out for a while after a secret was read"} if {
	input.resource.type != "mcp_server"
	input.resource.properties.server in {"mail", "web"}
	not no_secret_read
}

# METADATA
# title: No secret read
# description: The history has no such fact that still counts. Without a history this is undefined, and so nothing goes out.
# schemas:
#   - input: schema.mcp.decision
no_secret_read if count(input.context.history["secret-read"]) == 0

# METADATA
# title: A secret is read
# description: Whatever the server of secrets gives, as a tool, a resource or a prompt, is kept as read when it is permitted.
# schemas:
#   - input: schema.mcp.decision
remember contains "secret-read" if {
	input.resource.type != "mcp_server"
	input.resource.properties.server == "vault"
}
