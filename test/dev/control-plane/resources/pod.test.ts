import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startApiWorld, type ApiWorld } from '../api-world.ts'

let world: ApiWorld
before(async () => {
  world = await startApiWorld()
})
after(() => world[Symbol.asyncDispose]())

const pods = '/api/v1/namespaces/default/pods'
const containers = [{ name: 'a', image: 'b' }]
const certificate = {
  signerName: 'example.com/s',
  keyType: 'ED25519',
  credentialBundlePath: 'c.pem',
}

function projected(...sources: readonly object[]): object {
  return { containers, volumes: [{ name: 'v', projected: { sources } }] }
}

function withCertificate(change: object): object {
  return projected({ podCertificate: { ...certificate, ...change } })
}

test('a pod has the defaults that its readers count on', async () => {
  const { spec, status } = await world.create(pods, {
    metadata: { name: 'defaulted' },
    spec: withCertificate({}),
  })
  const { serviceAccountName, restartPolicy, terminationGracePeriodSeconds, volumes } = spec
  assert.deepEqual(
    [serviceAccountName, restartPolicy, terminationGracePeriodSeconds],
    ['default', 'Always', 30],
  )
  assert.equal(volumes[0].projected.defaultMode, 0o644)
  assert.equal(volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds, 86_400)
  assert.deepEqual(status, { phase: 'Pending' })
})

const accepted: Readonly<Record<string, object>> = {
  'an hour': withCertificate({ maxExpirationSeconds: 3600 }),
  'ninety-one days': withCertificate({ maxExpirationSeconds: 7_862_400 }),
  'annotations with a domain': withCertificate({ userAnnotations: { 'Example.com/A': 'x' } }),
  'key and chain apart': withCertificate({
    credentialBundlePath: '',
    keyPath: 'k',
    certificateChainPath: 'c',
  }),
  'a trust bundle by name': projected({ clusterTrustBundle: { name: 'n', path: 'p' } }),
  'trust bundles by signer': projected({
    clusterTrustBundle: { signerName: 'a.b/c', labelSelector: {}, path: 'p' },
  }),
}

for (const [what, spec] of Object.entries(accepted)) {
  test(`a pod with ${what} is accepted`, async () => {
    await world.create(pods, { metadata: { generateName: 'good-' }, spec })
  })
}

const refused: readonly (readonly [string, object, RegExp])[] = [
  ['without containers', {}, /^spec\.containers$/],
  ['with a nameless container', { containers: [{ image: 'b' }] }, /^spec\.containers\[0\]\.name$/],
  [
    'with a container without an image',
    { containers: [{ name: 'a' }] },
    /^spec\.containers\[0\]\.image$/,
  ],
  [
    'that mounts no volume of its own',
    { containers: [{ ...containers[0], volumeMounts: [{ name: 'x', mountPath: '/x' }] }] },
    /volumeMounts\[0\]\.name$/,
  ],
  [
    'with a bad volume name',
    { containers, volumes: [{ name: 'A' }] },
    /^spec\.volumes\[0\]\.name$/,
  ],
  ['with a bad node name', { containers, nodeName: 'A' }, /^spec\.nodeName$/],
  ['without a signer name', withCertificate({ signerName: '' }), /podCertificate\.signerName$/],
  [
    'with a signer of one label',
    withCertificate({ signerName: 'a/b' }),
    /podCertificate\.signerName$/,
  ],
  ['with an unknown key type', withCertificate({ keyType: 'RSA2048' }), /podCertificate\.keyType$/],
  ['with 3599 seconds', withCertificate({ maxExpirationSeconds: 3599 }), /maxExpirationSeconds$/],
  [
    'with 7862401 seconds',
    withCertificate({ maxExpirationSeconds: 7_862_401 }),
    /maxExpirationSeconds$/,
  ],
  [
    'with 86401 seconds of a Kubernetes signer',
    withCertificate({ signerName: 'kubernetes.io/x', maxExpirationSeconds: 86_401 }),
    /maxExpirationSeconds$/,
  ],
  [
    'with an annotation without a domain',
    withCertificate({ userAnnotations: { a: 'b' } }),
    /userAnnotations$/,
  ],
  ['without a path', withCertificate({ credentialBundlePath: '' }), /podCertificate$/],
  ['with a path that climbs', withCertificate({ credentialBundlePath: 'a/../../b' }), /projected$/],
  ['with an absolute path', withCertificate({ credentialBundlePath: '/etc/passwd' }), /projected$/],
  [
    'with the path of the data link',
    withCertificate({ credentialBundlePath: '..data/x' }),
    /projected$/,
  ],
  [
    'with one path twice',
    projected({ podCertificate: certificate }, { podCertificate: certificate }),
    /projected$/,
  ],
  [
    'with two sources in one',
    projected({ podCertificate: certificate, clusterTrustBundle: { name: 'n', path: 'p' } }),
    /sources\[0\]$/,
  ],
  [
    'with a trust bundle by name and signer',
    projected({ clusterTrustBundle: { name: 'n', signerName: 'a.b/c', path: 'p' } }),
    /clusterTrustBundle$/,
  ],
  ['with a trust bundle without a path', projected({ clusterTrustBundle: { name: 'n' } }), /path$/],
]

for (const [what, spec, field] of refused) {
  test(`a pod ${what} is refused`, async () => {
    const { status, body } = await world.admin.send('POST', pods, {
      metadata: { name: 'bad' },
      spec,
    })
    assert.equal(status, 422, JSON.stringify(body))
    assert.ok(
      body.details.causes.some((cause: { field: string }) => field.test(cause.field)),
      JSON.stringify(body.details.causes),
    )
  })
}
