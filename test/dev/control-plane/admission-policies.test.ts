import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startApiWorld, type Answer, type ApiWorld } from './api-world.ts'

let world: ApiWorld
const root = '/apis/admissionregistration.k8s.io/v1'
const configMaps = '/api/v1/namespaces/default/configmaps'

before(async () => {
  world = await startApiWorld()
})
after(() => world[Symbol.asyncDispose]())

function policy(name: string, spec: object = {}): object {
  return {
    metadata: { name },
    spec: {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: [''],
            apiVersions: ['*'],
            operations: ['CREATE'],
            resources: ['configmaps'],
          },
        ],
      },
      matchConditions: [{ name: 'ours', expression: `object.metadata.name == '${name}'` }],
      validations: [
        {
          expression: "request.userInfo.username == 'owner-of-' + object.metadata.name",
          message: 'only its owner may make it',
          reason: 'Forbidden',
        },
      ],
      ...spec,
    },
  }
}

async function bind(name: string, actions: readonly string[], more: object = {}): Promise<void> {
  await world.create(`${root}/validatingadmissionpolicybindings`, {
    metadata: { name },
    spec: { policyName: name, validationActions: actions, ...more },
  })
}

function make(name: string): Promise<Answer> {
  return world.admin.send('POST', `${configMaps}?dryRun=All`, { metadata: { name } })
}

test('a policy that is bound to deny refuses what breaks it, and nothing else', async () => {
  await world.create(`${root}/validatingadmissionpolicies`, policy('strict'))
  assert.equal((await make('strict')).status, 201, 'a policy alone refuses nothing')
  await bind('strict', ['Deny'])
  const { status, body } = await make('strict')
  assert.equal(status, 403)
  assert.equal(
    body.message,
    `configmaps "strict" is forbidden: ValidatingAdmissionPolicy 'strict' with binding 'strict' denied request: only its owner may make it`,
  )
  assert.equal((await make('other')).status, 201)
})

test('a policy that is bound to warn and to audit refuses nothing', async () => {
  await world.create(`${root}/validatingadmissionpolicies`, policy('watching'))
  await bind('watching', ['Warn', 'Audit'])
  assert.equal((await make('watching')).status, 201)
})

test('an expression that cannot be judged refuses, unless failures are to be ignored', async () => {
  const validations = [{ expression: "object.data.missing == 'x'" }]
  for (const failurePolicy of ['Fail', 'Ignore']) {
    const name = failurePolicy.toLowerCase()
    const spec = { failurePolicy, validations }
    await world.create(`${root}/validatingadmissionpolicies`, policy(name, spec))
    await bind(name, ['Deny'])
    assert.equal((await make(name)).status, failurePolicy === 'Fail' ? 422 : 201, failurePolicy)
  }
})

test('a binding may be about some namespaces only', async () => {
  await world.create(`${root}/validatingadmissionpolicies`, policy('narrow'))
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } }
  await bind('narrow', ['Deny'], { matchResources: { namespaceSelector } })
  assert.equal((await make('narrow')).status, 201)
})

const malformed: Readonly<Record<string, [string, object]>> = {
  'a policy without rules': [
    'validatingadmissionpolicies',
    policy('bad', { matchConstraints: {} }),
  ],
  'a policy without validations': [
    'validatingadmissionpolicies',
    policy('bad', { validations: [] }),
  ],
  'an expression that does not compile': [
    'validatingadmissionpolicies',
    policy('bad', { validations: [{ expression: 'object.' }] }),
  ],
  'a failure policy that does not exist': [
    'validatingadmissionpolicies',
    policy('bad', { failurePolicy: 'Perhaps' }),
  ],
  'a binding without an action': [
    'validatingadmissionpolicybindings',
    { metadata: { name: 'bad' }, spec: { policyName: 'strict', validationActions: [] } },
  ],
  'a binding that denies and warns': [
    'validatingadmissionpolicybindings',
    { metadata: { name: 'bad' }, spec: { policyName: 'x', validationActions: ['Deny', 'Warn'] } },
  ],
}

for (const [title, [plural, body]] of Object.entries(malformed)) {
  test(`${title} is refused`, async () => {
    assert.equal((await world.admin.send('POST', `${root}/${plural}`, body)).status, 422)
  })
}
