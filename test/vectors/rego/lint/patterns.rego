# Patterns that are none.
package acme.patterns

deny contains "branch" if not branch_allowed

branch_allowed if regex.match(`^feature/[a-z0-9-]{1,40}$`, input.context.arguments.branch)

deny contains "lookaround" if not slug_allowed

slug_allowed if regex.match(`^(?!admin)[a-z]+$`, input.context.arguments.slug) # broken-pattern

deny contains "in a term" if count(regex.find_n("(", input.resource.id, -1)) > 0 # broken-pattern

deny contains "second" if regex.replace(input.resource.id, "[", "") == "" # broken-pattern

deny contains "of data" if not regex.match(data.patterns.branch, input.resource.id)
