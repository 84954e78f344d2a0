# What depends on the time of the decision, each in a way of its own to be kept for longer.
package clock

now := time.now_ns()

hour := time.clock(now)[0]

shown := time.format([time.now_ns(), "Etc/GMT-9", "RFC1123Z"])

of_subject := [input.subject.id, now]

of_call contains age if {
	input.resource.id == "read"
	some since in [0, 1000000000]
	age := age_since(since)
}

age_since(since) := time.now_ns() - since

mocked := result if result := now with time.now_ns as 5

elsewhere := result if result := now with input as {"context": {"time": "2000-01-01T00:00:00Z"}}

exact := 1785542400123456789 + time.parse_duration_ns("1ns")

is_late := hour == 23

decision := {"allow": is_late, "reasons": [reason], "obligations": []}

reason := {"code": "hour", "message": time.format([now, "UTC", "15:04"]), "audience": "agent"}

test_late := is_late

test_present := now > 1796000000000000000
