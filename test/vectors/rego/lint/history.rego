package countersign.custom

remember contains "secret-read" if input.resource.properties.server == "vault"

remember contains "secret-raed" if input.resource.properties.server == "vault" # unknown-fact

remember contains name if {
	some name in {"secret-read"}
	input.resource.properties.server == "other"
}

deny contains {"code": "secret", "message": "a secret was read"} if {
	input.resource.properties.server == "mail"
	not none_read
}

deny contains {"code": "often", "message": "too often"} if {
	input.resource.properties.server == "mail"
	count(input.context.history.calls) > 4 # unknown-fact
}

none_read if count(input.context.history["secret-read"]) == 0
