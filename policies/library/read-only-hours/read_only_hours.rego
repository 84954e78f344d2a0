# Outside of working hours tools are called that only read.
package countersign.custom

# METADATA
# title: Read-only hours
# description: >-
#   From 18:00 to 07:00 UTC nothing is called but what only_reads names. The time is that of the decision, which stands in its event, so a
#   replay of the day after decides alike.
# custom:
#   code: read-only-hours
#   severity: medium
#   audience: [agent, operator]
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "read-only-hours", "message": "from 18:00 to 07:00 UTC only what reads may be called"} if {
	input.action.name == "tools/call"
	not working_hours
	not only_reads
}

# METADATA
# title: Working hours
# description: Hours are the digits of the time, as RFC 3339 writes it in UTC. A time that is none is outside of them.
# schemas:
#   - input: schema.mcp.decision
working_hours if regex.match(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T(0[7-9]|1[0-7]):.*Z$`, input.context.time)

# METADATA
# title: Only reads
# description: The tools that change nothing, by their servers. They are named here, because what a server says of itself is no proof.
# schemas:
#   - input: schema.mcp.decision
only_reads if input.resource.id in {
	"files": {"list_files", "read_file"},
	"github": {"issues_list", "pulls_list"},
}[input.resource.properties.server]
