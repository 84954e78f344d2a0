/**
 * The conformance suite of the protocol's own project, against one server, directly and through the gateway: `npm run test:conformance
 * [-- --revision=2026-07-28]`. What passes directly has to pass through the gateway with no check less. The gateway asks for
 * certificates and the suite has none: a pipe before the gateway presents an agent's.
 */
import { parseArgs } from 'node:util'
import { versionsOf } from '../../src/mcp/revisions.ts'
import { compare, passes, whyNot, type Difference, type Results } from './compare.ts'
import { openFixture } from './fixture/fixture.ts'
import { openStage } from './stage.ts'
import { openSuite } from './suite.ts'

const { values } = parseArgs({ options: { revision: { type: 'string', multiple: true } } })
const revisions = values.revision ?? versionsOf(['modern', 'legacy']).toReversed()

const asksByUri = 'it asks for URIs without their server'
/** What the suite cannot ask at the door of all, where a URI begins with the name of its server. */
const otherAtTheDoorOfAll: ReadonlyMap<string, string> = new Map([
  ['resources-read-text', asksByUri],
  ['resources-read-binary', asksByUri],
  ['resources-templates-read', asksByUri],
  ['resources-subscribe', asksByUri],
  ['resources-unsubscribe', asksByUri],
  ['server-sse-multiple-streams', 'a list of many servers is one JSON text, and no stream'],
])

/** What is other at a door, said a line each; any such line makes this program fail. */
function say(lines: readonly string[], differences: readonly Difference[]): void {
  const said = differences.map(({ scenario, verdict, why }) => `  ${verdict} ${scenario}: ${why}`)
  for (const line of [...lines, ...said]) process.stdout.write(`${line}\n`)
  if (said.length > 0) process.exitCode = 1
}

function differ(scenarios: Iterable<string>, direct: Results, through: Results): Difference[] {
  return [...scenarios].flatMap((each) => compare(each, direct.get(each), through.get(each)) ?? [])
}

async function main(): Promise<void> {
  const suite = await openSuite()
  await using own = await openFixture({ without: '' })
  await using stage = await openStage({ test: own })
  // At the door of all the name of a server stands before each of its names, which then are those of the suite.
  await using federated = await openFixture({ without: 'test_' })
  await using stageOfAll = await openStage({ test: federated })
  for (const revision of revisions) {
    const scored = await suite.scored(revision)
    const direct = await suite.run(own.url, revision)
    const through = await suite.run(stage.url('/mcp/test'), revision)
    const throughAll = await suite.run(stageOfAll.url('/mcp'), revision)
    const passing = scored.filter((each) => passes(direct.get(each)))
    const of = scored.length
    const lost = differ(scored, direct, through)
    const kept = passing.length - lost.length
    // What is not scored is optional: it may be less through the gateway, and may not be wrong.
    const unscored = [...direct.keys()].filter((each) => !scored.includes(each))
    const wrong = differ(unscored, direct, through).filter(({ verdict }) => verdict === 'fails')
    const named = (results: Results): string =>
      `${unscored.filter((each) => passes(results.get(each))).length}/${unscored.length}`
    const failing = unscored.filter((each) => !passes(direct.get(each)))
    const optional = `${revision} not scored: direct ${named(direct)} through ${named(through)}`
    say([`${revision} direct ${passing.length}/${of} through ${kept}/${of}`], lost)
    if (unscored.length > 0)
      say(
        [
          optional,
          ...failing.map((each) => `  not passed directly ${each}: ${whyNot(direct.get(each))}`),
        ],
        wrong,
      )
    const others = differ(scored, direct, throughAll)
    const apart = others.filter(({ scenario }) => otherAtTheDoorOfAll.has(scenario))
    const lostOfAll = others.filter((each) => !apart.includes(each))
    const why = apart.map(
      ({ scenario }) => `  apart ${scenario}: ${otherAtTheDoorOfAll.get(scenario)}`,
    )
    const asked = `${passing.length - others.length}/${of - apart.length}`
    say([`${revision} at the door of all ${asked}`, ...why], lostOfAll)
  }
}

await main()
