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
# description: By the clock of UTC, wherever the time was written. A time that is none is outside of them.
# schemas:
#   - input: schema.mcp.decision
working_hours if {
	[hour, _, _] := time.clock(time.parse_rfc3339_ns(input.context.time))
	hour >= 7
	hour < 18
}

# METADATA
# title: Only reads
# description: The tools that change nothing, by their servers. They are named here, because what a server says of itself is no proof.
# schemas:
#   - input: schema.mcp.decision
only_reads if input.resource.id in {
	"files": {"list_files", "read_file"},
	"github": {"issues_list", "pulls_list"},
}[input.resource.properties.server]
