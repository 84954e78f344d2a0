# Calls that a person has to see first. A permit names the rules that want it as obligations; who may approve is asked here again, when
# somebody does and when the approval is used.
package countersign.mcp

# METADATA
# title: Approval obligations
# description: One obligation for each rule that the call falls under, in the order of their names. Tools alone are held out, and what is told to one that has become a task.
# schemas:
#   - input: schema.mcp.decision
#   - data.approvals: schema.mcp.approvals
approval_obligations := [obligation |
	is_for_tool
	rules := rules_of(data.approvals)
	some name in sort(object.keys(rules))
	rule := rules[name]
	not spared(rule)
	properties := object.remove(rule, {"where", "approvers", "masked"})
	obligation := {"id": name, "type": "approval", "properties": properties}
]

# METADATA
# title: Approval methods
# description: What an approver may ask the gateway itself, before a ticket is looked at.
approval_methods := {"approvals/list", "approvals/approve", "approvals/deny"}

# METADATA
# title: Approval request
# description: The caller would see or decide what waits for an approval.
# schemas:
#   - input: schema.mcp.decision
is_approval_request if {
	input.subject.type == "identity"
	input.action.name in approval_methods
}

# METADATA
# title: May approve
# description: >-
#   Of a ticket: every rule that wants the approval names the caller, and it is somebody else's call. Before a ticket is known: some rule
#   names the caller.
# scope: document
# schemas:
#   - input: schema.mcp.decision
#   - data.approvals: schema.mcp.approvals
may_approve if {
	input.resource.type == "mcp_server"
	some rule in data.approvals
	input.subject.id in rule.approvers
}

may_approve if {
	input.resource.type == "tool"
	count(input.context.approval.rules) > 0
	every name in input.context.approval.rules {
		input.subject.id in data.approvals[name].approvers
	}
	is_string(input.context.approval.requester.id)
	not own_call
}

# METADATA
# title: Own call
# description: Whoever asks for an approval does not give it, nor does another pod or identity of the same service account.
# scope: document
# schemas:
#   - input: schema.mcp.decision
own_call if input.subject.id == input.context.approval.requester.id

own_call if input.subject.properties.pod.uid == input.context.approval.requester.properties.pod.uid

own_call if {
	input.subject.properties.namespace == input.context.approval.requester.properties.namespace
	input.subject.properties.serviceAccount == input.context.approval.requester.properties.serviceAccount
}
