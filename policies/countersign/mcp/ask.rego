# What a tool server may ask of its caller while it serves it: to fill in a form, to open a page, to have a model answer, to name its
# roots. Nothing unless a grant says so, and only of who may use what the server was called for.
package countersign.mcp

# METADATA
# title: Asking methods
# description: What a server may ask of a client at all.
asking_methods := {"elicitation/create", "sampling/createMessage", "roots/list"}

# METADATA
# title: Ask
# description: The request is a server's, in answer to what the caller asked of it.
# schemas:
#   - input: schema.mcp.decision
is_ask if {
	input.context.phase == "response"
	input.action.name in asking_methods
}

# METADATA
# title: Asked for visible
# description: The caller may use the tool, the prompt or the resource that the server asks for; at least some tool where it asks for none.
# scope: document
# schemas:
#   - input: schema.mcp.decision
asked_for_visible if {
	input.resource.type == "tool"
	visible(input.resource)
}

asked_for_visible if offer_visible(input.resource)

asked_for_visible if {
	input.resource.type == "mcp_server"
	may_call
	input.resource.properties.server in ceiling_servers
}

# METADATA
# title: Outside the ceiling, by an ask
# description: The certificate does not reach what the server asks for.
# schemas:
#   - input: schema.mcp.decision
ask_outside_ceiling if {
	is_ask
	input.resource.type == "tool"
	not tool_in_ceiling
}

ask_outside_ceiling if {
	is_ask
	not input.resource.properties.server in ceiling_servers
}

# METADATA
# title: Not granted, what is asked for
# description: Neither the tenant nor the subject is granted what the server asks for.
# schemas:
#   - input: schema.mcp.decision
asked_for_not_granted if {
	is_ask
	input.resource.type == "tool"
	not granted(input.resource)
}

asked_for_not_granted if {
	is_ask
	input.resource.type in {"prompt", "resource"}
	not offer_granted(input.resource)
}

# METADATA
# title: Ask granted
# description: The tenant's grants or the subject's let the server ask it.
# scope: document
# schemas:
#   - input: schema.mcp.decision
ask_granted if {
	some given in held(input.resource.properties.server)
	asks := asks_in(given, input.resource)
	well_formed_asks(asks)
	may_ask(asks)
}

# METADATA
# title: Asks of a grant
# description: What the most specific conditions of the tool or the prompt let the server ask, else what the grants of the server do.
asks_in(given, resource) := asks if {
	asks := conditions_in(given, resource).asks
} else := given.asks

# METADATA
# title: Conditions of a grant
# description: Those under which one holder's grants give a tool or a prompt. There are none on anything else.
conditions_in(given, resource) := most_specific(given, resource.id) if resource.type == "tool"

conditions_in(given, resource) := most_specific(prompt_grants(given), resource.id) if resource.type == "prompt"

# METADATA
# title: May ask
# description: These asks have what the server asks; a page only of a host that they name.
# scope: document
# schemas:
#   - input: schema.mcp.decision
may_ask(asks) if {
	input.action.name == "elicitation/create"
	input.context.asked.mode == "form"
	asks.elicitation.form == true
}

may_ask(asks) if {
	input.action.name == "elicitation/create"
	input.context.asked.mode == "url"
	input.context.asked.host in asks.elicitation.urlHosts
}

may_ask(asks) if {
	input.action.name == "sampling/createMessage"
	asks.sampling == true
}

may_ask(asks) if {
	input.action.name == "roots/list"
	asks.roots == true
}

# METADATA
# title: Well-formed asks
# description: Asks that say something else than these rules understand give nothing.
well_formed_asks(asks) if {
	is_object(asks)
	object.keys(asks) - {"elicitation", "sampling", "roots"} == set()
	elicitation := object.get(asks, "elicitation", {})
	is_object(elicitation)
	object.keys(elicitation) - {"form", "urlHosts"} == set()
	is_array(object.get(elicitation, "urlHosts", []))
}
