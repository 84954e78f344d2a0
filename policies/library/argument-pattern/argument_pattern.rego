# A text argument has to match a regular expression.
package countersign.custom

# METADATA
# title: Pattern of an argument
# description: >-
#   The argument branch of the tool branches_create of the server github is feature/ and a name. A call without it, or with another type in
#   its place, is denied.
# custom:
#   code: branch-not-allowed
#   severity: medium
#   audience: [agent, operator]
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "branch-not-allowed", "message": "a branch is feature/ and a name"} if {
	input.action.name == "tools/call"
	input.resource.properties.server == "github"
	input.resource.id == "branches_create"
	not branch_allowed
}

# METADATA
# title: Branch allowed
# description: A pattern is not anchored by itself, so it begins with ^ and ends with $.
# schemas:
#   - input: schema.mcp.decision
branch_allowed if regex.match(`^feature/[a-z0-9-]{1,40}$`, input.context.arguments.branch)
