package countersign.mcp

# METADATA
# title: Decision
# description: Whether this call may be made, and if not, why not.
# scope: document
# entrypoint: true
# schemas:
#   - input: schema.mcp.decision
#   - data.grants: schema.mcp.grants
decision := {"allow": allow, "reasons": reasons, "obligations": obligations}

# METADATA
# title: Obligations
# description: What a permit stands under. Lists, what is asked of a server as a whole, and what it asks stand under nothing.
# scope: document
# schemas:
#   - input: schema.mcp.decision
#   - data.limits: schema.mcp.limits
#   - data.approvals: schema.mcp.approvals
default obligations := []

obligations := array.concat(array.concat(limit_obligations, approval_obligations), array.concat(result_obligations, remember_obligations)) if {
	obliging
	not is_server_request
	not is_ask
	not is_approval_request
	allow
}

# METADATA
# title: Obliging
# description: Data sets limits, wants approvals or limits results, or rules want something kept; without any nothing is looked for.
# scope: document
# schemas:
#   - data.limits: schema.mcp.limits
#   - data.approvals: schema.mcp.approvals
obliging if data.limits != {}

obliging if data.approvals != {}

obliging if result_obligations != []

obliging if remembered != []

# METADATA
# title: Server methods
# description: What a caller may ask of a server as a whole, before it calls any tool.
server_methods := {
	"initialize",
	"logging/setLevel",
	"ping",
	"prompts/list",
	"resources/list",
	"resources/templates/list",
	"server/discover",
	"subscriptions/listen",
	"tasks/list",
	"tools/list",
}

# METADATA
# title: Allow
# description: These rules permit it, and none of the platform's own denies it.
# scope: document
# schemas:
#   - input: schema.mcp.decision
default allow := false

allow if {
	permitted
	undenied
}

# METADATA
# title: Permitted
# description: A call of a visible tool or of something else that is offered, with allowed arguments, or a method of a server of the ceiling.
# scope: document
# schemas:
#   - input: schema.mcp.decision
permitted if {
	is_server_request
	may_call
	reachable
}

permitted if {
	is_tool_call
	visible(input.resource)
	arguments_allowed
}

permitted if {
	is_approval_request
	may_approve
}

permitted if {
	is_offer_request
	offer_visible(input.resource)
	offer_arguments_allowed
}

permitted if {
	is_task_request
	visible(input.resource)
}

permitted if {
	is_ask
	asked_for_visible
	ask_granted
}

# METADATA
# title: Server request
# description: The request is for a server as a whole.
# schemas:
#   - input: schema.mcp.decision
is_server_request if {
	input.resource.type == "mcp_server"
	input.action.name in server_methods
}

# METADATA
# title: Tool call
# description: The request is for one tool.
# schemas:
#   - input: schema.mcp.decision
is_tool_call if {
	input.resource.type == "tool"
	input.action.name == "tools/call"
}

# METADATA
# title: Task request
# description: >-
#   The request is for a task that a call of this tool has become. What the call said was decided then, and no request for the task
#   repeats it: so conditions on arguments are not asked for again.
# schemas:
#   - input: schema.mcp.decision
is_task_request if {
	input.resource.type == "tool"
	input.action.name in {"tasks/get", "tasks/result", "tasks/update", "tasks/cancel"}
}

# METADATA
# title: Reachable
# description: The ceiling has some tool behind the door that the caller stands at.
# scope: document
# schemas:
#   - input: schema.mcp.decision
reachable if {
	input.context.door == "mcp"
	count(ceiling_servers) > 0
}

reachable if input.resource.properties.server in ceiling_servers

# METADATA
# title: Arguments allowed
# description: The call meets the conditions of the tenant's grant or of the subject's.
# scope: document
# schemas:
#   - input: schema.mcp.decision
arguments_allowed if meets(tenant_conditions(input.resource))

arguments_allowed if meets(subject_conditions(input.resource))

# METADATA
# title: Arguments of an offer allowed
# description: Only prompts have arguments that grants can speak of.
# scope: document
# schemas:
#   - input: schema.mcp.decision
offer_arguments_allowed if input.resource.type != "prompt"

offer_arguments_allowed if prompt_arguments_allowed

# METADATA
# title: Meets conditions
# description: The tool is as the conditions define it, and every argument that they name is there, with one of the values allowed.
# schemas:
#   - input: schema.mcp.decision
meets(conditions) if {
	gives(conditions, input.resource)
	every name, values in object.get(conditions, "arguments", {}) {
		input.context.arguments[name] in values
		exact(input.context.arguments[name])
	}
}

# METADATA
# title: Exact
# description: >-
#   Values that are the same to every reader of JSON (RFC 8259 section 6): a number past 2^53 may reach the tool server as
#   another one than was compared, and so may one inside a list or an object.
exact(value) if type_name(value) in {"string", "boolean", "null"}

exact(value) if abs(value) <= 9007199254740991

# METADATA
# title: Refusal
# description: >-
#   The first rule that the call breaks, by its stable code. High is what nobody does by mistake, medium what a grant is missing for, low
#   what a client can put right.
# scope: document
# custom:
#   audience: [agent, operator]
#   severity:
#     approval-not-granted: medium
#     approval-own: high
#     argument-not-allowed: medium
#     ask-not-granted: medium
#     definition-not-granted: high
#     method-not-allowed: low
#     not-granted: medium
#     outside-ceiling: high
#     role-not-allowed: high
#     tenant-missing: medium
# schemas:
#   - input: schema.mcp.decision
default refusal := "method-not-allowed"

refusal := "approval-own" if {
	is_approval_request
	own_call
}

else := "approval-not-granted" if is_approval_request

else := "role-not-allowed" if not may_call

else := "outside-ceiling" if outside_ceiling

else := "tenant-missing" if tenant_missing

else := "definition-not-granted" if {
	not_granted
	granted_otherwise
}

else := "not-granted" if not_granted

else := "ask-not-granted" if is_ask

else := "argument-not-allowed" if is_tool_call

else := "argument-not-allowed" if is_offer_request

# METADATA
# title: Outside the ceiling
# description: The certificate does not reach this server or this tool, whatever is granted.
# scope: document
# schemas:
#   - input: schema.mcp.decision
outside_ceiling if {
	is_server_request
	not reachable
}

outside_ceiling if {
	is_tool_call
	not tool_in_ceiling
}

outside_ceiling if {
	is_task_request
	not tool_in_ceiling
}

outside_ceiling if {
	is_offer_request
	not input.resource.properties.server in ceiling_servers
}

outside_ceiling if ask_outside_ceiling

# METADATA
# title: Tool in the ceiling
# description: The tool of this call has a proper name and some scope covers it.
# schemas:
#   - input: schema.mcp.decision
tool_in_ceiling if {
	is_tool_name(input.resource.id)
	in_ceiling(input.resource.properties.server, input.resource.id)
}

# METADATA
# title: Tenant missing
# description: The caller has no tenant, and nothing is granted to it by name.
# schemas:
#   - input: schema.mcp.decision
tenant_missing if {
	not input.subject.properties.tenant
	not_granted
}

# METADATA
# title: Not granted
# description: Neither the tenant nor the subject is granted the tool of this call, or what else is asked for.
# schemas:
#   - input: schema.mcp.decision
not_granted if {
	is_tool_call
	not granted(input.resource)
}

not_granted if {
	is_task_request
	not granted(input.resource)
}

not_granted if {
	is_offer_request
	not offer_granted(input.resource)
}

not_granted if asked_for_not_granted

# METADATA
# title: Granted otherwise
# description: The tool is granted, but as it was defined otherwise.
# scope: document
# schemas:
#   - input: schema.mcp.decision
granted_otherwise if defined_otherwise(tenant_conditions(input.resource))

granted_otherwise if defined_otherwise(subject_conditions(input.resource))

# METADATA
# title: Defined otherwise
# description: Conditions that can be read give the tool by another digest than it has.
# schemas:
#   - input: schema.mcp.decision
defined_otherwise(conditions) if {
	input.resource.type == "tool"
	well_formed(conditions)
	not as_defined(conditions, input.resource)
}

# METADATA
# title: Messages to agents
# description: What an agent may read. They name nothing that the agent has not named itself.
agent_messages := {
	"approval-not-granted": "the caller may not approve this",
	"approval-own": "nobody approves their own calls",
	"argument-not-allowed": "it is not granted with these arguments",
	"ask-not-granted": "the tool server may not ask this of the caller",
	"definition-not-granted": "it is not granted as it is defined now",
	"method-not-allowed": "the method is not available",
	"not-granted": "it is not granted",
	"outside-ceiling": "the certificate does not cover the call",
	"role-not-allowed": "the role of the caller may not call",
	"tenant-missing": "the caller belongs to no tenant",
}

# METADATA
# title: Messages to operators
# description: Where to look. They name labels, annotations and data, never a value of an argument.
operator_messages := {
	"approval-not-granted": "a rule of data.approvals that the call is of does not name the caller among its approvers",
	"approval-own": "the approver has the SPIFFE ID, the service account or the pod of the caller",
	"argument-not-allowed": "the conditions of the grant in data.grants name arguments that are missing or have other values",
	"ask-not-granted": "data.grants has no well-formed asks of the server, the tool or the prompt that let the server ask this",
	"definition-not-granted": "the grant in data.grants names another digest than the definition of the tool has, which is in resource.properties.definitionDigest",
	"method-not-allowed": "the default policy does not know the method, or not for what it is asked of",
	"not-granted": "data.grants has no well-formed grant of it for the tenant or the subject",
	"outside-ceiling": "no tool scope in the certificate covers it: see the annotation countersign.dev/tool-scopes",
	"role-not-allowed": "the certificate has not the role agent, model-gateway or tool-broker: see the label countersign.dev/role of the service account and roles.countersign.dev/<role> of the namespace",
	"tenant-missing": "the namespace has no label countersign.dev/tenant and data.grants.subjects does not name the caller",
}

# METADATA
# title: Reasons
# description: >-
#   One reason for the agent and one for the operator, with the same code; when allowed none but those of rules that are tried. The rules
#   of the platform are asked only about what these permit.
# scope: document
# schemas:
#   - input: schema.mcp.decision
default reasons := []

reasons := [
	{"code": refusal, "message": agent_messages[refusal], "audience": "agent"},
	{"code": refusal, "message": operator_messages[refusal], "audience": "operator"},
] if not permitted

reasons := denial_reasons if {
	permitted
	not undenied
}

reasons := tried_reasons if {
	count(tried_reasons) > 0
	allow
}
