import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startApiWorld, type ApiWorld } from './api-world.ts'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
  for (let index = 0; index < 7; index += 1) {
    const labels = { parity: index % 2 === 0 ? 'even' : 'odd', ...(index > 4 ? { late: '' } : {}) }
    await world.create(maps, { metadata: { name: `m${index}`, labels } })
  }
})
after(() => world[Symbol.asyncDispose]())

const maps = '/api/v1/namespaces/default/configmaps'

async function names(query: string): Promise<readonly string[]> {
  const { status, body } = await world.admin.get(`${maps}?${query}`)
  assert.equal(status, 200, JSON.stringify(body))
  return body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)
}

const selections: readonly (readonly [string, readonly string[]])[] = [
  ['labelSelector=parity%3Dodd', ['m1', 'm3', 'm5']],
  ['labelSelector=parity%3D%3Dodd', ['m1', 'm3', 'm5']],
  ['labelSelector=parity!%3Dodd', ['m0', 'm2', 'm4', 'm6']],
  ['labelSelector=late', ['m5', 'm6']],
  ['labelSelector=!late', ['m0', 'm1', 'm2', 'm3', 'm4']],
  ['labelSelector=parity%20in%20(odd,none)', ['m1', 'm3', 'm5']],
  ['labelSelector=parity%20in%20(odd,even),late', ['m5', 'm6']],
  ['labelSelector=parity%20notin%20(odd)', ['m0', 'm2', 'm4', 'm6']],
  ['labelSelector=nowhere%20notin%20(odd),late', ['m5', 'm6']],
  ['labelSelector=late%3D', ['m5', 'm6']],
  ['labelSelector=', ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6']],
  ['fieldSelector=metadata.name%3Dm3', ['m3']],
  [
    'fieldSelector=metadata.name!%3Dm3,metadata.namespace%3Ddefault',
    ['m0', 'm1', 'm2', 'm4', 'm5', 'm6'],
  ],
  ['fieldSelector=metadata.namespace%3Dother', []],
  ['fieldSelector=metadata.name%3Dm3&labelSelector=late', []],
]

for (const [query, expected] of selections) {
  test(`a list with ${decodeURIComponent(query)} holds ${expected.join(' ') || 'nothing'}`, async () => {
    assert.deepEqual(await names(query), expected)
  })
}

test('pages of one list are of one moment', async () => {
  const first = (await world.admin.get(`${maps}?limit=3`)).body
  assert.deepEqual([first.items.length, first.metadata.remainingItemCount], [3, 4])
  await world.admin.send('DELETE', `${maps}/m6`)
  await world.create(maps, { metadata: { name: 'm9' } })
  const token = encodeURIComponent(first.metadata.continue)
  const second = (await world.admin.get(`${maps}?limit=3&continue=${token}`)).body
  const third = (
    await world.admin.get(`${maps}?continue=${encodeURIComponent(second.metadata.continue)}`)
  ).body
  const items = [...first.items, ...second.items, ...third.items]
  assert.deepEqual(
    items.map(({ metadata }) => metadata.name),
    ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6'],
  )
  const versions = [first, second, third].map(({ metadata }) => metadata.resourceVersion)
  assert.equal(new Set(versions).size, 1)
  assert.equal(third.metadata.continue, undefined)
})

test('members of a typed list do not repeat their kind', async () => {
  const { body } = await world.admin.get(maps)
  assert.deepEqual([body.kind, body.apiVersion], ['ConfigMapList', 'v1'])
  assert.deepEqual([body.items[0].kind, body.items[0].apiVersion], [undefined, undefined])
})

const refusals: readonly (readonly [string, number])[] = [
  ['limit=-1', 400],
  ['limit=x', 400],
  ['continue=zzz', 400],
  [`continue=${Buffer.from('gone/3').toString('base64url')}`, 410],
  ['resourceVersion=x', 400],
  ['resourceVersion=999999999', 504],
  ['resourceVersionMatch=Exact', 422],
  ['fieldSelector=status.phase%3Dx', 400],
  ['fieldSelector=nothing', 400],
  ['labelSelector=a%20b', 400],
  ['labelSelector=-%3Da', 400],
]

for (const [query, status] of refusals) {
  test(`a list with ${query} is refused with ${status}`, async () => {
    assert.equal((await world.admin.get(`${maps}?${query}`)).status, status)
  })
}
