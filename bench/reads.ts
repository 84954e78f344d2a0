/**
 * What a resource that is read and a prompt that is got cost through the gateway, beside a call.
 *
 * One upstream answers all three with as much; a call and a prompt have arguments that policy looks at. The contestants take turns in
 * rounds of a second in one run.
 *
 *     npm run bench reads -- [--json] [--rounds=7] [--seconds=1] [--warm=5000] [--only=<method>] [--before=<another tree>]
 *         [--profile=<a folder>]
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { answersOf, answerText, call, regions, request } from './gateway/contest.ts'
import { profilingTo, startRole } from './gateway/start-contestant.ts'
import { bundleContestant } from './rig/bundle-contestant.ts'
import { withContest, type Contestant } from './rig/contest.ts'
import { median, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    warm: { type: 'string', default: '5000' },
    only: { type: 'string' },
    // The gateway of this tree is a contestant too.
    before: { type: 'string' },
    profile: { type: 'string' },
  },
})

const text =
  'three results: a field guide, "a map" of it, and a warning, with what they have in common'
const complete = { resultType: 'complete' }
const cached = { ttlMs: 0, cacheScope: 'private' }
const uri = 'file:///guides/field'
const results = {
  'resources/read': { ...complete, ...cached, contents: [{ uri, text: text.repeat(2) }] },
  'prompts/get': {
    ...complete,
    messages: [{ role: 'user', content: { type: 'text', text: text.repeat(2) } }],
  },
  'prompts/list': {
    ...complete,
    ...cached,
    prompts: [{ name: 'search', arguments: [{ name: 'region' }, { name: 'query' }] }],
  },
  'resources/list': { ...complete, ...cached, resources: [{ uri, name: 'guide' }] },
  'resources/templates/list': { ...complete, ...cached, resourceTemplates: [] },
}
const answers = {
  ...answersOf(2),
  ...Object.fromEntries(
    Object.entries(results).map(([method, result]) => [
      method,
      JSON.stringify({ jsonrpc: '2.0', id: 1, result }),
    ]),
  ),
}
const condition = { arguments: { region: regions } }
const grants = {
  tenants: {
    acme: {
      tools: {
        tools: { search: condition },
        prompts: { names: { search: condition } },
        resources: { uris: { [uri]: {} } },
      },
    },
  },
  subjects: {},
}

/** The same headers, of another method. */
function asking(method: string, name: string, params: object): typeof call {
  const headers = { ...call.headers, 'mcp-method': method, 'mcp-name': name }
  return { headers, body: request(method, params) }
}

const loads = {
  'tools/call': call,
  'prompts/get': asking('prompts/get', 'search', {
    name: 'search',
    arguments: { query: 'where the paths meet', limit: '3', region: 'north' },
  }),
  'resources/read': asking('resources/read', uri, { uri }),
}

await withContest({ callers: 1, answer: answerText, answers }, async (contest) => {
  const { only, before, profile } = values
  const { folder } = contest.material
  const earlier =
    before === undefined ? undefined : await bundleContestant(join(folder, 'before'), before)
  for (const [method, load] of Object.entries(loads)) {
    if (only !== undefined && only !== method) continue
    const start = startRole('gateway', profilingTo(profile))
    const asked = { ...load, path: '/mcp/tools', want: 'a map', connections: 16 }
    await contest.add(method, (setting) => start({ ...setting, grants }), asked)
    if (earlier === undefined) continue
    const startEarlier: typeof start = (setting) => start({ ...setting, grants, program: earlier })
    await contest.add(`${method}, before`, startEarlier, asked)
  }
  await contest.round({ requests: Number(values.warm) })
  for (const each of contest.list) each.rounds.length = 0
  for (let index = 0; index < Number(values.rounds); index += 1) {
    await contest.round({ seconds: Number(values.seconds) })
  }
  print(contest.list)
})

function print(list: readonly Contestant[]): void {
  const cpuOf = (each: Contestant | undefined): number =>
    median((each?.rounds ?? []).map(({ cpuMicroseconds }) => cpuMicroseconds))
  report(
    {
      bench: 'reads',
      title: `16 connections, medians of ${values.rounds} rounds`,
      columns: ['requests/s', 'p50 ms', 'p99 ms', 'CPU µs', 'of a call'],
      rows: list.map((each) => ({
        name: each.name,
        cells: [
          Math.round(median(each.rounds.map(({ requests, seconds }) => requests / seconds))),
          rounded(median(each.rounds.map(({ p50Milliseconds }) => p50Milliseconds)), 2),
          rounded(median(each.rounds.map(({ p99Milliseconds }) => p99Milliseconds)), 1),
          rounded(cpuOf(each)),
          rounded(cpuOf(each) / cpuOf(list[0]), 2),
        ],
      })),
    },
    values,
  )
}
