import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { acceptHistory } from '../../../src/cli/gateway/accept-history.ts'
import { openPolicy } from '../../../src/cli/open-policy.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { requirement } from '../../requirements.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-history-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const parts = { log: silentLog, metrics: silentMetrics }

async function dataOf(history: object): Promise<string> {
  const file = join(folder, 'data.json')
  await writeFile(file, JSON.stringify({ history }))
  return file
}

for (const replicas of [undefined, 2]) {
  const got = replicas ?? 'none'
  test(`a policy that has facts kept is not in force with replicas: ${got}`, async () => {
    requirement('policy.history-shared')
    const data = [await dataOf({ calls: { seconds: 60, most: 5 } })]
    const accept = acceptHistory({ replicas })
    await assert.rejects(openPolicy({ data }, { ...parts, accept }), {
      code: 'policy/data',
      message: `data.history has facts kept, and a history is of one replica alone, want=replicas: 1 got=${got}`,
    })
  })
}

test('it is where one serves, and the gateway is told of the facts', async () => {
  const data = [await dataOf({ calls: { seconds: 60, most: 5 } })]
  await using policy = await openPolicy(
    { data },
    { ...parts, accept: acceptHistory({ replicas: 1 }) },
  )
  assert.deepEqual(policy.engine.facts, new Map([['calls', { seconds: 60, most: 5 }]]))
})

test('how many serve is nothing to a policy that has nothing kept', async () => {
  const data = [await dataOf({})]
  await using policy = await openPolicy(
    { data },
    { ...parts, accept: acceptHistory({ replicas: 3 }) },
  )
  assert.equal(policy.engine.facts, undefined)
})

test('a history beyond its bounds is refused as any data is', async () => {
  requirement('policy.history-bounded')
  const data = [await dataOf({ calls: { seconds: 60, most: 500 } })]
  await assert.rejects(openPolicy({ data }, parts), { code: 'policy/data' })
})
