# Rules by which calls pass that lack an argument. A row of which the lint warns ends with the code of the warning.
package countersign.custom

deny contains "amount" if input.context.arguments.amount > 100 # absent-argument

deny contains "path" if not startswith(input.context.arguments.path, "/srv/")

deny contains "folder" if contains(input.context.arguments.folder, "..") # absent-argument

# It is demanded in a row of its own, so the comparison may be as it is.
deny contains "size" if input.context.arguments.size > 1000

deny contains "no size" if not is_number(input.context.arguments.size)

deny contains "title" if {
	title := input.context.arguments.title
	not startswith(title, "DOC-") # absent-argument
}

# A list of what is forbidden says what it says.
deny contains "city" if input.context.arguments.city in {"Atlantis"}

deny contains "subject" if not subject_allowed

subject_allowed if startswith(input.context.arguments.subject, "DOC-")

deny contains "day" if not day_allowed

day_allowed if not input.context.arguments.day == "Sunday" # absent-argument

deny contains "hour" if not hour_allowed

hour_allowed if {
	input.context.arguments.hour
	not input.context.arguments.hour == 13
}

deny contains "files" if not files_allowed

files_allowed if {
	every file in object.get(input.context.arguments, "files", []) { # every-of-none
		startswith(file, "/srv/")
	}
}

deny contains "hosts" if not hosts_allowed

hosts_allowed if {
	every host in [host | some host in input.context.arguments.hosts] { # every-of-none
		endswith(host, ".example")
	}
}

deny contains "users" if not users_allowed

users_allowed if {
	every user in input.context.arguments.users {
		startswith(user, "u-")
	}
}

# Nobody asks for it: it might be of a bundle of one's own.
quiet if not input.context.arguments.loud # absent-argument

# Somebody asks what denies to tell of it: it denies all the same.
reasons := {reason | some reason in deny}

undenied if not deny
