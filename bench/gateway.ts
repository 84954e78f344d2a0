/**
 * `tools/call` through the gateway (policy, decision log and transaction token on), beside a bare forwarder of Node and the upstream
 * alone: TLS 1.3 with client certificates on both sides, one process each, 16 kept-alive connections. Rounds alternate, so that a
 * busy machine slows all alike.
 *
 *     node bench/gateway.ts [--json] [--rounds=5] [--seconds=3]
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createTestAuthority } from '../test/support/test-authority.ts'
import type { Setting } from './gateway/contestants.ts'
import {
  buildGoLoad,
  driveWithGo,
  driveWithNode,
  startGoUpstream,
  type Load,
  type Material,
  type Round,
} from './gateway/load.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
  },
})

const answer = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  result: {
    resultType: 'complete',
    content: [{ type: 'text', text: 'three results: a field guide, a map of it, and a warning' }],
    structuredContent: {
      results: [
        { id: 17, title: 'a field guide' },
        { id: 23, title: 'a map' },
      ],
    },
  },
})

const list =
  '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[{"name":"search","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"public"}}'

const body = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: {
    name: 'search',
    arguments: { query: 'where the paths meet', limit: 3, region: 'north' },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
})

const headers = {
  host: 'gateway.bench',
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'search',
}

const grants = {
  tenants: { acme: { tools: { tools: {}, prefixes: { s: {} } } } },
  subjects: {},
}

interface Contestant {
  readonly name: string
  readonly port: number
  readonly path: string
  readonly rounds: Round[]
}

await main()

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'))
  const processes: ChildProcess[] = []
  try {
    const contestants = await start(folder, processes)
    const { drive, list } = contestants
    await round({ drive, list, seconds: 2 })
    for (const each of list) each.rounds.length = 0
    for (let index = 0; index < Number(values.rounds); index += 1) {
      await round({ drive, list, seconds: Number(values.seconds) })
    }
    report(list)
  } finally {
    for (const each of processes) each.kill()
    rmSync(folder, { recursive: true })
  }
}

async function start(
  folder: string,
  processes: ChildProcess[],
): Promise<{ drive: (load: Load) => Promise<Round>; list: readonly Contestant[] }> {
  const authority = createTestAuthority()
  const issue = (serviceAccount: string, more: object = {}): string =>
    authority.issue({ serviceAccount, tenant: 'acme', ...more }).credentialPem
  const { bundlePem, trustDomain } = authority
  const upstreamPem = issue('tools', { role: 'tool-server' })
  const common = { folder, bundlePem, trustDomain, grants, answer }
  const upstreamSpiffeId = `spiffe://${trustDomain}/ns/shop/sa/tools`
  const go = buildGoLoad(folder)
  const setting = { ...common, credentialPem: upstreamPem, upstreamPort: 0, upstreamSpiffeId }
  let upstreamPort: number
  if (go === undefined) {
    process.stderr.write('NO GO TOOLCHAIN: load and upstream are in Node, and ratios too low\n')
    upstreamPort = await startContestant('upstream', setting, processes)
  } else {
    const material = { folder, bundlePem, credentialPem: upstreamPem }
    const upstream = await startGoUpstream(go, material, { answer, list })
    processes.push(upstream.process)
    upstreamPort = upstream.port
  }
  const gatewayPem = issue('gateway', { role: 'tool-broker' })
  const between: Setting = { ...setting, credentialPem: gatewayPem, upstreamPort }
  const gateway = await startContestant('gateway', between, processes)
  const forwarder = await startContestant('forwarder', between, processes)
  const callerPem = issue('agent', { role: 'agent', toolScopes: 'tools:search,tools:s*' })
  const caller: Material = { folder, bundlePem, credentialPem: callerPem }
  return {
    drive: (load) =>
      go === undefined ? driveWithNode(caller, load) : driveWithGo(go, caller, load),
    list: [
      { name: 'gateway', port: gateway, path: '/mcp/tools', rounds: [] },
      { name: 'bare Node forwarder', port: forwarder, path: '/mcp', rounds: [] },
      { name: 'upstream alone', port: upstreamPort, path: '/mcp', rounds: [] },
    ],
  }
}

async function startContestant(
  role: string,
  setting: Setting,
  processes: ChildProcess[],
): Promise<number> {
  const child = fork(join(import.meta.dirname, 'gateway', 'contestants.ts'), [role])
  processes.push(child)
  child.send(setting)
  const [port] = (await once(child, 'message')) as [number]
  return port
}

async function round(o: {
  readonly drive: (load: Load) => Promise<Round>
  readonly list: readonly Contestant[]
  readonly seconds: number
}): Promise<void> {
  for (const { name, port, path, rounds } of o.list) {
    const load = {
      port,
      path,
      headers,
      body,
      want: '"result"',
      connections: 16,
      seconds: o.seconds,
    }
    const made = await o.drive(load)
    const statuses = Object.keys(made.statuses).join()
    if (statuses !== '200' || made.wrong > 0) {
      throw new Error(`${name}: want=200 got=${statuses}, ${made.wrong} wrong answers`)
    }
    rounds.push(made)
  }
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0
}

function report(list: readonly Contestant[]): void {
  const measured = list.map(({ name, rounds }) => ({
    name,
    rate: Math.round(median(rounds.map((each) => each.requests / each.seconds))),
    p50: median(rounds.map((each) => each.p50Milliseconds)),
    p99: median(rounds.map((each) => each.p99Milliseconds)),
  }))
  const [ours, ...peers] = measured
  if (ours === undefined) return
  if (!values.json) {
    const row = (cells: readonly (string | number)[]): string =>
      cells.map((cell, index) => String(cell).padStart(index === 0 ? -24 : 12)).join('')
    const lines = measured.map(({ name, rate, p50, p99 }) =>
      [name.padEnd(24), row(['', rate, p50.toFixed(2), p99.toFixed(2)])].join(''),
    )
    const octets = Buffer.byteLength(body)
    process.stdout.write(`tools/call of ${octets} octets, 16 connections\n`)
    process.stdout.write(`${''.padEnd(24)}${row(['', 'calls/s', 'p50 ms', 'p99 ms'])}\n`)
    process.stdout.write(`${lines.join('\n')}\n`)
    return
  }
  for (const peer of peers) {
    for (const [figure, mine, theirs] of [
      ['tools/call, calls a second', ours.rate, peer.rate],
      ['tools/call, p99 ms', ours.p99, peer.p99],
    ] as const) {
      const ratio = Math.round((mine / theirs) * 1000) / 1000
      const line = {
        bench: 'gateway',
        case: figure,
        ours: mine,
        peer: theirs,
        peerName: peer.name,
        ratio,
      }
      process.stdout.write(`${JSON.stringify(line)}\n`)
    }
  }
}
