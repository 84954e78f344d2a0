/**
 * What a call costs that is translated: agents of one era at a tool server of the other, beside the same within one.
 *
 * One upstream answers all alike. The contestants take turns in rounds of a second in one run.
 *
 *     npm run bench eras -- [--json] [--rounds=7] [--seconds=1] [--warm=5000] [--before=<another tree>]
 *         [--profile=<a folder for one of each>]
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Client } from 'undici'
import { parseCredentialBundle } from '../src/pki/credential.ts'
import { answersOf, answerText, call } from './gateway/contest.ts'
import { profilingTo, startRole } from './gateway/start-contestant.ts'
import { bundleContestant } from './rig/bundle-contestant.ts'
import { withContest, type Contest, type Contestant } from './rig/contest.ts'
import { median, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    warm: { type: 'string', default: '5000' },
    // The gateway of this tree is a contestant too.
    before: { type: 'string' },
    profile: { type: 'string' },
  },
})

type Era = 'modern' | 'legacy'
const eras: readonly Era[] = ['modern', 'legacy']

const version = '2025-11-25'
const clientInfo = { name: 'bench', version: '1' }
const opened = { protocolVersion: version, capabilities: { tools: {} }, serverInfo: clientInfo }
const answers = {
  ...answersOf(2),
  initialize: JSON.stringify({ jsonrpc: '2.0', id: 1, result: opened }),
}

await withContest({ callers: 1, answer: answerText, answers }, async (contest) => {
  const plain = await add(contest, 'modern', 'modern')
  const plainLegacy = await add(contest, 'legacy', 'legacy')
  await add(contest, 'legacy', 'modern')
  await add(contest, 'modern', 'legacy')
  if (values.before !== undefined) {
    const program = await bundleContestant(join(contest.material.folder, 'before'), values.before)
    for (const from of eras) for (const to of eras) await add(contest, from, to, program)
  }
  await contest.round({ requests: Number(values.warm) })
  for (const each of contest.list) each.rounds.length = 0
  for (let index = 0; index < Number(values.rounds); index += 1) {
    await contest.round({ seconds: Number(values.seconds) })
  }
  print(contest.list, { plain, plainLegacy })
})

/** A gateway whose tool server is of one era, and agents of another; `before` is that of another tree. */
async function add(contest: Contest, from: Era, to: Era, before?: string): Promise<Contestant> {
  const { profile } = values
  const load = from === 'modern' ? call : legacyCall()
  return contest.add(
    `${from} agent, ${to} server${before === undefined ? '' : ', before'}`,
    async (setting) => {
      const folder = profile === undefined ? undefined : join(profile, `${from}-to-${to}`)
      const program = before ?? setting.program
      const start = startRole('gateway', profilingTo(folder))
      const started = await start({ ...setting, program, eras: [to] })
      if (from === 'legacy') {
        load.headers['mcp-session-id'] = await openSession(contest, started.port)
      }
      return started
    },
    { ...load, path: '/mcp/tools', want: '"a map"', connections: 16 },
  )
}

/** The same call as a legacy agent sends it. */
function legacyCall(): typeof call {
  const { params, ...message } = JSON.parse(call.body) as { params: Record<string, unknown> }
  const { _meta: meta, ...own } = params
  void meta
  const { host = '', accept = '' } = call.headers
  return {
    headers: { host, accept, 'content-type': 'application/json', 'mcp-protocol-version': version },
    body: JSON.stringify({ ...message, params: own }),
  }
}

async function openSession({ material }: Contest, port: number): Promise<string> {
  const { callerPems, bundlePem: ca } = material
  const { chainPem: cert, privateKeyPem: key } = parseCredentialBundle(callerPems[0] ?? '')
  const checkServerIdentity = (): undefined => undefined
  const client = new Client(`https://127.0.0.1:${port}`, {
    connect: { cert, key, ca, checkServerIdentity },
  })
  const { host = '', accept = '' } = call.headers
  const params = { protocolVersion: version, capabilities: {}, clientInfo }
  const { headers, body } = await client.request({
    method: 'POST',
    path: '/mcp/tools',
    headers: { host, accept, 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
  })
  const text = await body.text()
  await client.destroy()
  const id = headers['mcp-session-id']
  if (typeof id !== 'string') throw new Error(`want=a session got=${text}`)
  return id
}

function print(
  list: readonly Contestant[],
  of: { readonly plain: Contestant; readonly plainLegacy: Contestant },
): void {
  const cpuOf = ({ rounds }: Contestant): number =>
    median(rounds.map((each) => each.cpuMicroseconds))
  report(
    {
      bench: 'eras',
      title: `tools/call, 16 connections, medians of ${values.rounds} rounds`,
      columns: ['calls/s', 'p50 ms', 'p99 ms', 'CPU µs', 'CPU of modern', 'CPU of legacy'],
      rows: list.map((each) => {
        const { name, rounds } = each
        const cpu = cpuOf(each)
        return {
          name,
          cells: [
            Math.round(median(rounds.map(({ requests, seconds }) => requests / seconds))),
            rounded(median(rounds.map(({ p50Milliseconds }) => p50Milliseconds)), 2),
            rounded(median(rounds.map(({ p99Milliseconds }) => p99Milliseconds)), 1),
            rounded(cpu),
            rounded(cpu / cpuOf(of.plain), 2),
            rounded(cpu / cpuOf(of.plainLegacy), 2),
          ],
        }
      }),
    },
    values,
  )
}
