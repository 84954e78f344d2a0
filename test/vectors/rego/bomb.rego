# Rules that would run for minutes or fill all memory.
package bomb

loops := count([[a, b, c] |
	some a in numbers.range(1, 1000)
	some b in numbers.range(1, 1000)
	some c in numbers.range(1, 1000)
	a + b == c
])

ranges := count(numbers.range(1, 100000000000))

texts := count(replace(replace(replace(replace(input.text, "a", input.text), "a", input.text), "a", input.text), "a", input.text))

# Thirty values of which each holds the one before twice: small in memory, and a billion when they are written.
shared := json.marshal(twice(twice(twice(twice(twice(twice(input.text)))))))

twice(x) := [y, y] if {
	a := [x, x]
	b := [a, a]
	c := [b, b]
	d := [c, c]
	y := [d, d]
}

answered := twice(twice(twice(twice(twice(twice(input.text))))))

keyed := {twice(twice(twice(twice(twice(twice(input.text)))))): 1, twice(twice(twice(twice(twice(twice(input.text)))))): 2}

digits := c if {
	a := 1e4000 * 1e4000
	b := a * a
	c := b * b
}

shifts := bits.lsh(bits.lsh(bits.lsh(bits.lsh(1, 4096), 4096), 4096), 4096)

conflict := x if some x in [1, 2]

harmless := input.text
