# METADATA
# title: MCP calls
# description: >-
#   What a workload may call through the gateway: what its certificate's ceiling covers and a grant gives.
#   Listing and calling share these rules, so that what is hidden is also refused.
package countersign.mcp

# METADATA
# title: Calling roles
# description: The roles that may use the gateway at all.
calling_roles := {"agent", "model-gateway", "tool-broker"}

# METADATA
# title: May call
# description: The caller is a verified identity with a calling role.
# schemas:
#   - input.subject: schema.mcp.subject
may_call if {
	input.subject.type == "identity"
	input.subject.properties.role in calling_roles
}

# METADATA
# title: Ceiling, tools by name
# description: For each server, the tools that the certificate's scopes name exactly.
# schemas:
#   - input.subject: schema.mcp.subject
ceiling_tools[server] contains tool if {
	some scope in input.subject.properties.toolScopes
	[server, tool] := split(scope, ":")
	not endswith(tool, "*")
}

# METADATA
# title: Ceiling, tools by prefix
# description: For each server, the prefixes that the certificate's scopes name, without their star.
# schemas:
#   - input.subject: schema.mcp.subject
ceiling_prefixes[server] contains prefix if {
	some scope in input.subject.properties.toolScopes
	[server, pattern] := split(scope, ":")
	endswith(pattern, "*")
	prefix := trim_suffix(pattern, "*")
}

# METADATA
# title: Servers in the ceiling
# description: The servers of which the ceiling has any tool.
ceiling_servers := object.keys(ceiling_tools) | object.keys(ceiling_prefixes)

# METADATA
# title: Tool name
# description: >-
#   1 to 128 letters, digits, `_`, `.` and `-`: any other name is in no scope, whatever its prefix. Frequent letters
#   come first, because each one of a name is looked for from the left.
is_tool_name(tool) if {
	tool != ""
	count(tool) <= 128
	trim_left(tool, "_etaoinsrlcdpughmfybwkvxjqz0123456789-.ETAOINSRLCDPUGHMFYBWKVXJQZ") == ""
}

# METADATA
# title: In the ceiling
# description: Some scope of the certificate covers this tool of this server.
in_ceiling(server, tool) if tool in ceiling_tools[server]

in_ceiling(server, tool) if {
	some prefix in ceiling_prefixes[server]
	startswith(tool, prefix)
}

# METADATA
# title: Most specific grant
# description: >-
#   The conditions under which a holder's grants give a tool: those of its exact name, else those of the longest
#   prefix. A narrower grant is thus never undone by a wider one beside it.
most_specific(grants, tool) := conditions if {
	conditions := grants.tools[tool]
} else := conditions if {
	conditions := grants.prefixes[max({prefix | some prefix, _ in grants.prefixes; startswith(tool, prefix)})]
}

# METADATA
# title: Grants of the tenant
# description: What the caller's tenant is granted of each server. Looked up once for a whole list.
# schemas:
#   - input.subject: schema.mcp.subject
#   - data.grants: schema.mcp.grants
tenant_grants := data.grants.tenants[input.subject.properties.tenant]

# METADATA
# title: Grants of the subject
# description: What this very identity is granted of each server. Looked up once for a whole list, and so is that there is nothing.
# schemas:
#   - input.subject: schema.mcp.subject
#   - data.grants: schema.mcp.grants
subject_grants := object.get(data.grants.subjects, input.subject.id, {})

# METADATA
# title: Grant of the tenant
# description: The conditions under which the caller's tenant is granted the tool.
# schemas:
#   - input.subject: schema.mcp.subject
#   - data.grants: schema.mcp.grants
tenant_conditions(resource) := most_specific(tenant_grants[resource.properties.server], resource.id)

# METADATA
# title: Grant of the subject
# description: The conditions under which this very identity is granted the tool.
# schemas:
#   - input.subject: schema.mcp.subject
#   - data.grants: schema.mcp.grants
subject_conditions(resource) := most_specific(subject_grants[resource.properties.server], resource.id)

# METADATA
# title: Well-formed conditions
# description: Conditions that say something else than these rules understand give nothing.
well_formed(conditions) if {
	is_object(conditions)
	object.keys(conditions) - {"arguments", "asks", "digest", "result"} == set()
	allowed := object.get(conditions, "arguments", {})
	is_object(allowed)
	every values in allowed {
		is_array(values)
	}
}

# METADATA
# title: As defined
# description: The conditions name no definition, or the one that the tool has now.
as_defined(conditions, _) if not "digest" in object.keys(conditions)

as_defined(conditions, resource) if {
	conditions.digest == concat("", ["sha256:", resource.properties.definitionDigest])
}

# METADATA
# title: Gives
# description: These conditions give the tool or the prompt as it is, but for what only a call can meet. No prompt has a digest.
gives(conditions, resource) if {
	well_formed(conditions)
	as_defined(conditions, resource)
}

# METADATA
# title: Granted
# description: The tenant or the subject is granted the tool, under conditions that only a call can meet.
granted(resource) if gives(tenant_conditions(resource), resource)

granted(resource) if gives(subject_conditions(resource), resource)

# METADATA
# title: Visible
# description: >-
#   The caller may see the tool in a list, and may call it where its arguments meet the conditions. Its name is looked
#   at last, because that takes longest.
visible(resource) if {
	may_call
	in_ceiling(resource.properties.server, resource.id)
	granted(resource)
	is_tool_name(resource.id)
}
