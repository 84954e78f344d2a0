import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually } from '../../../support/eventually.ts'
import { startApiWorld, type ApiWorld } from '../api-world.ts'

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

function definition(
  more: { readonly spec?: object; readonly schema?: object; readonly name?: string } = {},
): object {
  const openAPIV3Schema = more.schema ?? {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        required: ['reason'],
        properties: {
          reason: { type: 'string', maxLength: 10 },
          pod: { type: 'string' },
          tenant: { type: 'string' },
          level: { type: 'integer', default: 3 },
        },
        'x-kubernetes-validations': [
          { rule: 'has(self.pod) || has(self.tenant)', message: 'at least one matcher' },
        ],
      },
      status: { type: 'object', properties: { seen: { type: 'boolean' } } },
    },
  }
  return {
    metadata: { name: more.name ?? 'stops.example.dev' },
    spec: {
      group: 'example.dev',
      scope: 'Cluster',
      names: { plural: 'stops', kind: 'Stop', shortNames: ['st'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema },
        },
      ],
      ...more.spec,
    },
  }
}

const stops = '/apis/example.dev/v1/stops'

function stop(spec: object, more: object = {}): object {
  return {
    apiVersion: 'example.dev/v1',
    kind: 'Stop',
    metadata: { generateName: 's-' },
    spec,
    ...more,
  }
}

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
  const { status } = await world.create(definitions, definition())
  const established = status.conditions.find(({ type }: { type: string }) => type === 'Established')
  assert.equal(established.status, 'True')
})
after(() => world[Symbol.asyncDispose]())

test('a definition makes its resource served and discovered', async () => {
  assert.equal((await world.admin.get(stops)).body.kind, 'StopList')
  const { resources } = (await world.admin.get('/apis/example.dev/v1')).body
  assert.deepEqual(
    resources.map(({ name }: { name: string }) => name),
    ['stops', 'stops/status'],
  )
})

test('an object has its defaults, its generation and no unknown members', async () => {
  const body = stop({ reason: 'because', pod: 'p', unknown: 1 }, { status: { seen: true } })
  const made = await world.create(stops, body)
  assert.deepEqual(made.spec, { reason: 'because', pod: 'p', level: 3 })
  assert.equal(made.status, undefined)
  assert.equal(made.metadata.generation, 1)
  const path = `${stops}/${made.metadata.name}`
  const seen = await world.admin.send('PATCH', `${path}/status`, { status: { seen: true } })
  assert.deepEqual(
    [seen.status, seen.body.status, seen.body.metadata.generation],
    [200, { seen: true }, 1],
  )
  const changed = await world.admin.send('PATCH', path, { spec: { level: 4 } })
  assert.deepEqual([changed.body.metadata.generation, changed.body.status], [2, { seen: true }])
  const { items } = (await world.admin.get(stops)).body
  assert.equal(items[0].kind, 'Stop')
})

const refusals: readonly (readonly [string, object, number, RegExp])[] = [
  ['without a required member', stop({ pod: 'p' }), 422, /spec\.reason: Required value/],
  ['with a member of a wrong type', stop({ reason: 1, pod: 'p' }), 422, /spec\.reason/],
  [
    'with a member that is too long',
    stop({ reason: 'x'.repeat(11), pod: 'p' }),
    422,
    /spec\.reason: Too long/,
  ],
  [
    'without any matcher',
    stop({ reason: 'a' }),
    422,
    /spec: Invalid value: "object": at least one matcher/,
  ],
  ['without a kind', { metadata: { name: 'a' } }, 400, /Object 'Kind' is missing/],
  ['of another version', { ...stop({}), apiVersion: 'example.dev/v2' }, 400, /v2/],
]

for (const [what, body, status, message] of refusals) {
  test(`an object ${what} is refused with ${status}`, async () => {
    const answer = await world.admin.send('POST', stops, body)
    assert.equal(answer.status, status, JSON.stringify(answer.body))
    assert.match(answer.body.message, message)
  })
}

test('a strict writer is told of unknown members', async () => {
  const path = `${stops}?fieldValidation=Strict`
  const { status, body } = await world.admin.send(
    'POST',
    path,
    stop({ reason: 'a', pod: 'p', typo: 1 }),
  )
  assert.equal(status, 400)
  assert.match(body.message, /strict decoding error: unknown field "spec\.typo"/)
})

test('an update is held to the schema too', async () => {
  const { metadata } = await world.create(stops, stop({ reason: 'a', pod: 'p' }))
  const answer = await world.admin.send('PATCH', `${stops}/${metadata.name}`, {
    spec: { pod: null },
  })
  assert.match(answer.body.message, /at least one matcher/)
})

const badDefinitions: readonly (readonly [string, object, RegExp])[] = [
  ['whose name is not plural and group', definition({ name: 'wrong' }), /metadata\.name/],
  ['without a scope', definition({ spec: { scope: 'Galaxy' } }), /spec\.scope/],
  ['without a storage version', definition({ spec: { versions: [] } }), /storage version/],
  [
    'without a schema',
    definition({ spec: { versions: [{ name: 'v1', served: true, storage: true }] } }),
    /openAPIV3Schema: Required value/,
  ],
  [
    'with a rule that cannot be judged here',
    definition({
      schema: { type: 'object', 'x-kubernetes-validations': [{ rule: 'self.all(x, x)' }] },
    }),
    /compilation failed/,
  ],
]

for (const [what, body, message] of badDefinitions) {
  test(`a definition ${what} is refused`, async () => {
    const answer = await world.admin.send('POST', definitions, body)
    assert.equal(answer.status, 422)
    assert.match(answer.body.message, message)
  })
}

test('a namespaced resource lives in namespaces', async () => {
  const names = { plural: 'notes', kind: 'Note' }
  await world.create(
    definitions,
    definition({ name: 'notes.example.dev', spec: { scope: 'Namespaced', names } }),
  )
  const path = '/apis/example.dev/v1/namespaces/default/notes'
  const body = { ...stop({ reason: 'a', pod: 'p' }), kind: 'Note' }
  assert.equal((await world.create(path, body)).metadata.namespace, 'default')
  assert.equal((await world.admin.get('/apis/example.dev/v1/notes')).body.items.length, 1)
})

test('a definition takes its objects along', async () => {
  assert.equal((await world.admin.send('DELETE', `${definitions}/stops.example.dev`)).status, 200)
  await eventually(
    'the resource is gone',
    async () => (await world.admin.get(stops)).status === 404,
  )
  await world.create(definitions, definition())
  assert.deepEqual((await world.admin.get(stops)).body.items, [])
})
