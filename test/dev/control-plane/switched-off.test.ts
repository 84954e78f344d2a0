import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startApiWorld, type ApiWorld } from './api-world.ts'

let world: ApiWorld

before(async () => {
  world = await startApiWorld({ podCertificateGate: false })
})
after(() => world[Symbol.asyncDispose]())

const signerName = 'example.com/signer'
const podSpec = {
  containers: [{ name: 'main', image: 'i' }],
  volumes: [
    { name: 'scratch', emptyDir: {} },
    {
      name: 'identity',
      projected: {
        sources: [
          { podCertificate: { signerName, keyType: 'ED25519', credentialBundlePath: 'c.pem' } },
          { clusterTrustBundle: { signerName, labelSelector: {}, path: 't.pem' } },
        ],
      },
    },
  ],
}
const labels = { app: 'a' }
const template = { metadata: { labels }, spec: podSpec }

test('with the gate off pods and templates lose the source and keep an empty one', async () => {
  const made = [
    ['/api/v1/namespaces/default/pods', { spec: podSpec }],
    [
      '/apis/apps/v1/namespaces/default/deployments',
      { spec: { selector: { matchLabels: labels }, template } },
    ],
    ['/apis/batch/v1/namespaces/default/jobs', { spec: { template } }],
    [
      '/apis/batch/v1/namespaces/default/cronjobs',
      { spec: { schedule: '* * * * *', jobTemplate: { spec: { template } } } },
    ],
  ] as const
  for (const [path, body] of made) {
    const object = await world.create(path, { metadata: { name: 'a' }, ...body })
    const spec =
      object.spec.jobTemplate?.spec.template.spec ?? object.spec.template?.spec ?? object.spec
    const [empty, kept] = spec.volumes[1].projected.sources
    assert.deepEqual(empty, {}, path)
    assert.equal(kept.clusterTrustBundle.path, 't.pem', path)
  }
})

test('a template without containers, and one that its selector does not match, are refused', async () => {
  const path = '/apis/apps/v1/namespaces/default/statefulsets'
  for (const spec of [
    { template },
    { selector: { matchLabels: { app: 'b' } }, template },
    { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: {} } },
  ]) {
    const { status } = await world.admin.send('POST', path, { metadata: { name: 'b' }, spec })
    assert.equal(status, 422, JSON.stringify(spec).slice(0, 60))
  }
})
