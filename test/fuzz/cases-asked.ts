import { parseArgs } from 'node:util'

/** What a fuzzer is to show, from its arguments: as many cases as there is time for (`--seconds`), or one of them (`--only`), of a seed. */
export function casesAsked(): { readonly seed: number; readonly cases: Iterable<number> } {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string' },
    },
  })
  const end = performance.now() + Number(values.seconds) * 1000
  const cases = values.only === undefined ? numbersUntil(end) : [Number(values.only)]
  return { seed: Number(values.seed), cases }
}

function* numbersUntil(end: number): Generator<number> {
  for (let number = 0; performance.now() < end; number += 1) yield number
}
