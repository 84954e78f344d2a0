import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openPolicy } from '../../src/cli/open-policy.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { createIssuancePolicy } from '../../src/policy/issuance-policy.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-open-policy-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const limited = (seconds: number): string =>
  JSON.stringify({ issuance: { lifetime_seconds_max: { agent: seconds } } })

/** A volume as kubelet writes it: the file is a link into `..data`, and that one is swapped. */
async function mountedFile(
  name: string,
): Promise<{ file: string; swap: (text: string) => Promise<void> }> {
  const mount = await mkdtemp(join(folder, 'mount-'))
  let generation = 0
  const swap = async (text: string): Promise<void> => {
    generation += 1
    const content = `..${generation}`
    await mkdir(join(mount, content))
    await writeFile(join(mount, content, name), text)
    await symlink(content, join(mount, '..data_tmp'))
    await rename(join(mount, '..data_tmp'), join(mount, '..data'))
  }
  await symlink(join('..data', name), join(mount, name))
  return { file: join(mount, name), swap }
}

const properties = { role: 'agent', namespace: 'agents' }
const input = { subject: { type: 'identity', id: 'spiffe://a.example/b', properties } }

test('changed data counts at once, and bad data leaves the last good in force and is told', async () => {
  requirement('policy.data-checked')
  const counted: string[] = []
  const count = (_name: string, labels: object = {}): void =>
    void counted.push(JSON.stringify(labels))
  const { file, swap } = await mountedFile('grants.json')
  await swap(limited(7200))
  await using policy = await openPolicy(
    { data: [file] },
    { log: silentLog, metrics: { ...silentMetrics, count } },
  )
  const issuance = createIssuancePolicy(policy.engine)
  const lifetime = (): number | undefined =>
    issuance.decide(input as unknown as Parameters<typeof issuance.decide>[0]).lifetimeSecondsMax
  assert.equal(lifetime(), 7200)
  const first = policy.engine.digest
  assert.equal(policy.condition().ok, true)

  await swap(limited(3600))
  await eventually('the new data counts', () => lifetime() === 3600)
  assert.notEqual(policy.engine.digest, first)
  assert.deepEqual(counted, ['{"source":"data","outcome":"taken"}'])

  await swap('{"issuance":{"lifetime_second_max":{"agent":60}}}')
  await eventually('the bad data is told', () => !policy.condition().ok)
  assert.equal(lifetime(), 3600)
  const why = `the last good data stays in force: ${file}: /issuance/lifetime_second_max: no such member, did you mean "lifetime_seconds_max"`
  const { revision, digest } = policy.engine
  assert.deepEqual(policy.condition(), {
    name: 'policy',
    ok: false,
    optional: true,
    reason: `${why}; revision ${revision}, with its data ${digest}`,
  })
  assert.deepEqual(counted.slice(1), ['{"source":"data","outcome":"refused"}'])

  await swap(limited(5400))
  await eventually('good data counts again', () => lifetime() === 5400)
  assert.equal(policy.condition().ok, true)
})

for (const [what, text, message] of [
  ['a misspelt root', '{"grant":{}}', /\.json: \/grant: no such member, did you mean "grants"$/],
  ['a member twice', '{"log":{},"log":{}}', /\.json: \/log: is said twice$/],
  ['no JSON', '{', /\.json: is not JSON/],
] as const) {
  test(`at the start, data with ${what} is an error that names file and place`, async () => {
    requirement('policy.data-checked')
    const file = join(folder, 'start.json')
    await writeFile(file, text)
    await assert.rejects(openPolicy({ data: [file] }, { log: silentLog, metrics: silentMetrics }), {
      code: 'policy/data',
      message,
    })
  })
}

test('a file that is not there is an error that names it', async () => {
  const file = join(folder, 'none.json')
  await assert.rejects(openPolicy({ data: [file] }, { log: silentLog, metrics: silentMetrics }), {
    code: 'policy/data',
    message: /none\.json" cannot be read, got=ENOENT$/,
  })
})

test('two documents that say one thing each in its own way are refused together', async () => {
  const files = [join(folder, 'one.json'), join(folder, 'two.json')]
  for (const file of files) await writeFile(file, limited(3600))
  await assert.rejects(openPolicy({ data: files }, { log: silentLog, metrics: silentMetrics }), {
    code: 'policy/bundle',
    message: 'data is said twice, got="data.issuance.lifetime_seconds_max.agent"',
  })
})
