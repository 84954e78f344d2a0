# What is to stop at once, by data: `"stop": {"all": true}`, or `{"tenants": ["acme"], "servers": ["mail"]}`.
package countersign.custom

# METADATA
# title: Emergency stop
# description: >-
#   All calls, those of a tenant, or those of a server are denied while data.stop says so. It is data, so that it counts as soon as a document of
#   policy.data is saved, without a bundle and its test.
# custom:
#   code: stopped
#   severity: high
#   audience: [agent, operator]
# schemas:
#   - input: schema.mcp.decision
deny contains {"code": "stopped", "message": "this has been stopped by the platform"} if stopped

# METADATA
# title: Stopped
# description: By a word that can be read, or by one that cannot. A list that names nobody stops nobody.
# scope: document
# schemas:
#   - input: schema.mcp.decision
stopped if data.stop.all == true

stopped if input.subject.properties.tenant in data.stop.tenants

stopped if input.resource.properties.server in data.stop.servers

stopped if {
	_ = data.stop
	not stop_is_readable
}

# METADATA
# title: Readable stop
# description: Of these members and types alone. A misspelled word in an emergency stops everything, rather than nothing.
stop_is_readable if {
	is_object(data.stop)
	object.keys(data.stop) - {"all", "tenants", "servers"} == set()
	is_boolean(object.get(data.stop, "all", false))
	every members in [object.get(data.stop, "tenants", []), object.get(data.stop, "servers", [])] {
		is_array(members)
		every member in members {
			is_string(member)
		}
	}
}
