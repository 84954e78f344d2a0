# METADATA
# title: Issuance
# description: >-
#   The second opinion on a certificate that the evidence allows. It may refuse it or shorten its life; there is
#   no way to widen anything from here.
package countersign.issuance

# METADATA
# title: Decision
# description: >-
#   Whether the certificate may be issued, and its longest life where a shorter one is set. Undefined while the data
#   is malformed, because a refusal is final for a pod and a missing answer only makes it wait.
# scope: document
# entrypoint: true
# schemas:
#   - input: schema.issuance.input
#   - data.issuance: schema.issuance.data
decision := object.union(
	{"allow": count(refusals) == 0, "reasons": reasons},
	{"lifetime_seconds_max": seconds |
		seconds := data.issuance.lifetime_seconds_max[input.subject.properties.role]
	},
) if {
	well_formed_data
}

# METADATA
# title: Well-formed data
# description: Namespaces and lives are set in objects, and every life is a positive whole number of seconds.
# scope: document
# schemas:
#   - data.issuance: schema.issuance.data
well_formed_data if {
	is_object(data.issuance.denied_namespaces)
	is_object(data.issuance.lifetime_seconds_max)
	every seconds in data.issuance.lifetime_seconds_max {
		is_number(seconds)
		seconds >= 1
		floor(seconds) == seconds
	}
}

# METADATA
# title: Refusals
# description: The rules that the request breaks, by their stable codes.
# scope: document
# custom:
#   audience: [operator]
#   severity:
#     namespace-denied: high
#     subject-missing: high
# schemas:
#   - input: schema.issuance.input
#   - data.issuance: schema.issuance.data
refusals contains "subject-missing" if not is_identity

refusals contains "namespace-denied" if data.issuance.denied_namespaces[input.subject.properties.namespace]

# METADATA
# title: Identity
# description: The request names the workload that the certificate is for.
# schemas:
#   - input: schema.issuance.input
is_identity if {
	input.subject.type == "identity"
	input.subject.id != ""
	input.subject.properties.namespace != ""
}

# METADATA
# title: Messages
# description: What an operator reads in the condition of the request.
messages := {
	"namespace-denied": "data.issuance.denied_namespaces names the namespace",
	"subject-missing": "the input names no identity",
}

# METADATA
# title: Reasons
# description: One reason for each rule broken, by code.
reasons := [{"code": code, "message": messages[code], "audience": "operator"} |
	some code in sort(refusals)
]
