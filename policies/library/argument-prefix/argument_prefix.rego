# A text argument has to begin with one of some prefixes, and stay below it.
package countersign.custom

# METADATA
# title: Prefix of an argument
# description: >-
#   The argument path of the tools read_file and write_file of the server files is below one of the folders that are open. A call without it, or
#   with another type in its place, is denied.
# custom:
#   code: path-not-allowed
#   severity: high
#   audience: [agent, operator]
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "path-not-allowed", "message": "this path is not below a folder that is open"} if {
	input.action.name == "tools/call"
	input.resource.properties.server == "files"
	input.resource.id in {"read_file", "write_file"}
	not path_allowed
}

# METADATA
# title: Path allowed
# description: >-
#   A prefix ends with a slash, or /public would open /public-keys. A segment of dots would lead out again, and so might what servers decode or
#   take for a slash, so neither is there at all.
# schemas:
#   - input: schema.mcp.decision
path_allowed if {
	some open in ["/public/", "/shared/reports/"]
	startswith(input.context.arguments.path, open)
	segments := split(input.context.arguments.path, "/")
	not ".." in segments
	not "." in segments
	not regex.match(`[%\\\x00-\x1f]`, input.context.arguments.path)
}
