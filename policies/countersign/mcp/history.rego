# What is kept of a call that is permitted, for the decisions after it: `remember contains "secret-read" if …` in the package
# countersign.custom. What counts and keeps is the gateway, as data.history declares it: a permit names what it wants kept as obligations.
package countersign.mcp

# METADATA
# title: Remember obligations
# description: >-
#   One obligation for each fact that the platform's own rules want kept, in the order of their names. A name that is not declared, or is no
#   name, makes a refusal of the permit: what is not kept would be missed by the rules that look for it.
# scope: document
remember_obligations := [obligation |
	some name in remembered
	obligation := {"id": name, "type": "remember", "properties": {}}
]

# METADATA
# title: Remembered
# description: The names of the facts to keep. What is no collection of them is kept nowhere, and is not passed over.
# scope: document
default remembered := []

remembered := [name | some name in data.countersign.custom.remember] if {
	type_name(data.countersign.custom.remember) in {"set", "array"}
} else := ["unreadable"] if {
	type_name(data.countersign.custom.remember)
}
