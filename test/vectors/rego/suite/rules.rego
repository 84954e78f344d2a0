package suite

default ok := false

ok if input.n > 1

two := 1 if input.n > 1

two := 2 if input.n > 2

never if input.n == data.suite_settings.never
