import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { archiveOf, shippedAs, shippedFiles } from '../../../policy/archive.ts'
import { issuanceInput } from '../../../policy/issuance-input.ts'
import { issuanceLines, linesOf } from '../../../policy/author/logged-events.ts'
import { requirement } from '../../../requirements.ts'
import { loadPolicyBundle } from '../../../support/load-policy.ts'
import { runPolicy, type Ended } from './run-policy.ts'

let folder: string
let log: string
let bundle: string
let other: string

const grantsOf = (tools: object): object => ({
  grants: { tenants: { acme: { files: { tools } } } },
})
const granted = grantsOf({ read: {}, list: { arguments: { path: ['a'] } } })

const denied = {
  issuance: { denied_namespaces: { research: true }, lifetime_seconds_max: {} },
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-explain-'))
  log = join(folder, 'decisions.jsonl')
  bundle = join(folder, 'bundle.tar.gz')
  other = join(folder, 'other.tar.gz')
  await writeFile(bundle, await archiveOf(await shippedFiles()))
  await writeFile(other, await archiveOf(await shippedAs('other')))
  const calls = [
    { tool: 'read' },
    { tool: 'write' },
    { tool: 'list', arguments: { path: 'a' } },
    { tool: '\u001B[2J\u009B\u202Ename\n' },
  ]
  const lines = linesOf(await loadPolicyBundle({ data: granted }), calls)
  const first = JSON.parse(lines[0] ?? '') as object
  const masked = { ...first, decision_id: 'd-masked', masked: ['/result/obligations'] }
  const denying = await loadPolicyBundle({ data: denied })
  const issued = issuanceLines(denying, [issuanceInput])
  await writeFile(log, `${[...lines, JSON.stringify(masked), ...issued].join('\n')}\n`)
})

after(() => rm(folder, { recursive: true, force: true }))

async function explain(
  id: string,
  place = bundle,
  data = granted,
  ...words: string[]
): Promise<Ended> {
  const file = join(folder, 'data.json')
  await writeFile(file, JSON.stringify(data))
  const given = ['--log', log, '--bundle', place, '--data', file, ...words]
  return runPolicy('explain', id, ...given)
}

test('a permit is explained by the rules that held, with their places', async () => {
  const { code, out, err } = await explain('d-0')
  assert.deepEqual([code, err], [0, ''])
  assert.match(out, /^spiffe:\/\/\S+ files:read\ndecided: allow\nby these rules: allow\n/)
  assert.match(out, /^ {2}countersign\/mcp\/allow \(countersign\/mcp\/decision\.rego:\d+\)$/m)
  assert.match(out, /^ {2}countersign\/mcp\/is_tool_call \(/m)
  assert.doesNotMatch(out, /is_ask|is_server_request|refusal/)
})

test('a refusal is explained by the rule that gave its reason', async () => {
  const { code, out } = await explain('d-1', bundle, granted, '--json')
  assert.equal(code, 0)
  const { ok, result, held, isSameData } = JSON.parse(out) as {
    ok: boolean
    isSameData: boolean
    result: unknown
    held: readonly { path: string; row: number; isDefault: boolean }[]
  }
  assert.deepEqual([ok, isSameData], [true, true])
  assert.deepEqual(result, { allow: false, reasons: ['not-granted'], obligations: [] })
  assert.ok(held.some(({ path, row }) => path === 'countersign/mcp/refusal' && row > 0))
  const allow = held.filter(({ path }) => path === 'countersign/mcp/allow')
  assert.deepEqual(
    allow.map(({ isDefault }) => isDefault),
    [true],
  )
})

test('a refusal tells what would have to differ, to agents and to operators', async () => {
  requirement('policy.nearest-for-operators')
  const { out } = await explain('d-1')
  assert.match(
    out,
    /^for the agent:\n {2}it is not granted \(not-granted\)\nfor operators:\n {2}data/m,
  )
  assert.match(
    out,
    /^ {2}it is allowed with a grant of "files:write" to "acme" \(data\.grants\.tenants\)$/m,
  )
  const { nearest } = JSON.parse((await explain('d-1', bundle, granted, '--json')).out) as {
    nearest: { ways: unknown[]; isWhole: boolean }
  }
  assert.deepEqual([nearest.ways.length, nearest.isWhole], [2, true])
  assert.doesNotMatch((await explain('d-0')).out, /for the agent/)
})

test('a decision that rests on what a mask has hidden is not explained', async () => {
  requirement('policy.replay-never-guesses')
  const { code, out } = await explain('d-2')
  assert.equal(code, 1)
  assert.match(
    out,
    /^not explained: rules read \/input\/context\/arguments, which the event does not show$/m,
  )
})

test('an answer that the event does not show is said to be neither the same nor another one', async () => {
  requirement('policy.replay-never-guesses')
  const { code, out } = await explain('d-masked')
  assert.equal(code, 1)
  assert.match(
    out,
    /^\S+ \S+\nnot explained: the answer has \/result\/obligations, which the event does not show\n$/,
  )
  const { out: json } = await explain('d-masked', bundle, granted, '--json')
  const document = JSON.parse(json) as object
  assert.deepEqual(
    { ...document, subject: '', resource: '' },
    {
      version: 1,
      ok: false,
      subject: '',
      resource: '',
      isSameData: true,
      hidden: '/result/obligations',
    },
  )
})

test('other data is said to be other data, and rules that decide otherwise explain nothing', async () => {
  const { code, out } = await explain('d-1', bundle, grantsOf({ write: {} }))
  assert.equal(code, 1)
  assert.match(out, /^the data is not that of then, .*\nby these rules: allow$/m)
})

test('what a log holds moves no terminal', async () => {
  const { out } = await explain('d-3')
  assert.match(out, /^spiffe:\/\/\S+ "files:\\u001b\[2J\\u009b\\u202ename\\n"\n/)
  assert.doesNotMatch(out.replaceAll('\n', ''), /\p{C}/u)
})

test('another bundle, a list and what is in no log are told as what they are', async () => {
  for (const [id, place, want] of [
    ['d-0', other, /bundle is another one than decided, want="sha256:[0-9a-f]+" got="other"/],
    ['d-list', bundle, /decision is a list, got="d-list"/],
    ['d-9', bundle, /decision is not in the log, got="d-9"/],
  ] as const) {
    const { code, err } = await explain(id, place)
    assert.equal(code, 2)
    assert.match(err, want)
  }
})

test('rules are looked into where nobody makes code of strings, too', async () => {
  requirement('policy.plan-is-no-text')
  const data = join(folder, 'strict.json')
  await writeFile(data, JSON.stringify(granted))
  const main = join(import.meta.dirname, '../../../../src/cli/main.ts')
  for (const words of [
    ['explain', 'd-0', '--log', log, '--bundle', bundle, '--data', data],
    ['bench', '--log', log, '--bundle', bundle, '--data', data, '--rounds', '1'],
  ]) {
    const argv = ['--disallow-code-generation-from-strings', main, 'policy', ...words]
    const { status, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  }
})

test('a certificate that the issuance policy refuses is explained to operators', async () => {
  requirement('policy.issuance-replayed')
  const { code, out, err } = await explain('i-0', bundle, denied)
  assert.deepEqual([code, err], [0, ''])
  assert.match(out, /^spiffe:\/\/\S+ countersign\.dev\/identity\ndecided: deny, namespace-denied\n/)
  assert.match(
    out,
    /^ {2}countersign\/issuance\/refusals \(countersign\/issuance\/decision\.rego:\d+\)$/m,
  )
  assert.doesNotMatch(out, /for the agent/)
  assert.match(
    out,
    /^ {2}it is allowed with the namespace "research" not in data\.issuance\.denied_namespaces$/m,
  )
})
