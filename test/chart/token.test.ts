import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import { signerRights } from '../../src/signer/rights.ts'
import { requirement } from '../requirements.ts'
import {
  chartFolder,
  defaultValuesFile,
  parseRendering,
  refusalOfChart,
  renderChart,
  type Rendered,
} from '../support/chart.ts'
import {
  lineOf,
  placeOf,
  renderedSigner,
  rolesOf,
  singleRules,
} from '../support/rendered-rights.ts'

const example = join(chartFolder, 'examples', 'ca-in-token.yaml')

const token = {
  certificateSecretName: 'ca',
  token: 'countersign',
  key: 'ca',
  socketVolume: { hostPath: { path: '/run/token', type: 'Directory' } },
}

type Values = Readonly<Record<string, unknown>>

/** A token with this of it changed; `undefined` leaves a value as it is by default. */
function inToken(changed: Values = {}): readonly string[] {
  return [
    '--set-json',
    `authority=${JSON.stringify({ kind: 'pkcs11', pkcs11: { ...token, ...changed } })}`,
  ]
}

function signerOf(rendering: readonly Rendered[], wanted: string): Rendered {
  return (
    rendering.find(
      ({ kind, metadata }) => kind === wanted && metadata.name === 'countersign-signer',
    ) ?? assert.fail(wanted)
  )
}

function authorityOf(rendering: readonly Rendered[]): unknown {
  const text = signerOf(rendering, 'ConfigMap')['data']['signer.yaml'] as string
  return parseConfiguration(text, signerSchema, '/etc/countersign/signer.yaml').authority
}

interface Mount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
}

test('the signer of a CA in a token has its certificate, the PIN and the socket that a container beside it serves', async () => {
  const rendering = parseRendering(await renderChart('-f', example))
  assert.deepEqual(authorityOf(rendering), {
    pkcs11: {
      certificate: '/etc/countersign/authority/tls.crt',
      socket: '/run/countersign/pkcs11',
      token: 'countersign',
      key: 'ca',
      pinFile: '/etc/countersign/authority/pin',
    },
  })
  const { containers, volumes } = signerOf(rendering, 'StatefulSet')['spec'].template.spec
  const [config] = volumes.filter(({ name }: Mount) => name === 'config')
  assert.deepEqual(config.projected.sources.slice(1, 3), [
    { secret: { name: 'countersign-ca', items: [{ key: 'tls.crt', path: 'authority/tls.crt' }] } },
    { secret: { name: 'countersign-ca-pin', items: [{ key: 'pin', path: 'authority/pin' }] } },
  ])
  const named = volumes.filter(({ name }: Mount) => ['pkcs11', 'vendor'].includes(name))
  assert.deepEqual(named, [
    { name: 'pkcs11', emptyDir: {} },
    { name: 'vendor', secret: { secretName: 'vendor-client', defaultMode: 0o440 } },
  ])
  const [signer, beside] = containers
  const socket = { name: 'pkcs11', mountPath: '/run/countersign' }
  assert.deepEqual(
    signer.volumeMounts.find(({ name }: Mount) => name === 'pkcs11'),
    { ...socket, readOnly: true },
  )
  assert.deepEqual(beside.volumeMounts[0], socket)
  // The PIN and the configuration are in the signer's own mount.
  assert.ok(beside.volumeMounts.every(({ name }: Mount) => name !== 'config'))
  const { egress } = signerOf(rendering, 'NetworkPolicy')['spec']
  assert.deepEqual(egress.at(-1).to, [{ ipBlock: { cidr: '192.0.2.10/32' } }])
})

test('a container beside the signer has no token of its account, and keeps the mounts that it has', async () => {
  requirement('chart.rights-to-the-letter')
  const own = { name: 'own', mountPath: '/own' }
  const containers = [{ name: 'bare' }, { name: 'other', volumeMounts: [own] }]
  const set = `signer.extraContainers=${JSON.stringify(containers)}`
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '--set-json', set))
  const { spec } = signerOf(rendering, 'StatefulSet')['spec'].template
  const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
  const nothing = { name: 'no-token', mountPath, readOnly: true }
  const [signer, ...beside] = spec.containers
  assert.deepEqual(beside, [
    { name: 'bare', volumeMounts: [nothing] },
    { name: 'other', volumeMounts: [own, nothing] },
  ])
  assert.deepEqual(
    spec.volumes.filter(({ name }: Mount) => name === 'no-token'),
    [{ name: 'no-token', emptyDir: {} }],
  )
  assert.ok(signer.volumeMounts.every((each: Mount) => each.mountPath !== mountPath))
})

test('a socket on the node is mounted as its volume says, and a token without a PIN has none', async () => {
  const rendering = parseRendering(
    await renderChart('-f', defaultValuesFile, ...inToken({ socketName: 'hsm.sock' })),
  )
  assert.deepEqual(authorityOf(rendering), {
    pkcs11: {
      certificate: '/etc/countersign/authority/tls.crt',
      socket: '/run/countersign/hsm.sock',
      token: 'countersign',
      key: 'ca',
    },
  })
  const { containers, volumes } = signerOf(rendering, 'StatefulSet')['spec'].template.spec
  assert.equal(containers.length, 1)
  assert.deepEqual(
    volumes.filter(({ name }: Mount) => ['pkcs11', 'no-token'].includes(name)),
    [{ name: 'pkcs11', ...token.socketVolume }],
  )
  assert.doesNotMatch(JSON.stringify(volumes), /authority\/pin/)
})

test('a signer whose CA is in a token may touch no Secret, and none is made for it', async () => {
  requirement('chart.rights-to-the-letter')
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, ...inToken()))
  const given = rolesOf(rendering, 'countersign-signer').flatMap(({ rules, metadata }) =>
    singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
  )
  const { secret: _, ...withoutSecret } = renderedSigner
  assert.deepEqual(given.toSorted(), signerRights(withoutSecret).map(lineOf).toSorted())
  const names = rendering.map(({ metadata }) => metadata.name)
  assert.ok(!names.includes('countersign-authority') && !names.includes('countersign-ca-operator'))
})

const refused: Readonly<Record<string, readonly [values: readonly string[], said: RegExp]>> = {
  'a token without the certificate of the CA': [
    inToken({ certificateSecretName: '' }),
    /- authority\.pkcs11\.certificateSecretName: required where authority\.kind is pkcs11/,
  ],
  'a token without its label': [
    inToken({ token: '' }),
    /- authority\.pkcs11\.token: required where authority\.kind is pkcs11/,
  ],
  'a token without the label of the key': [
    inToken({ key: '' }),
    /- authority\.pkcs11\.key: required where authority\.kind is pkcs11/,
  ],
  'a label that no token has room for': [
    inToken({ token: 'ä'.repeat(17) }),
    /- authority\.pkcs11\.token: want=1\.\.32 octets got=34/,
  ],
  'a socket that nobody serves': [
    inToken({ socketVolume: {} }),
    /- authority\.pkcs11\.socketVolume: nobody serves the socket/,
  ],
  'two volumes for one socket': [
    inToken({ socketVolume: { hostPath: { path: '/a' }, csi: { driver: 'b' } } }),
    /'\/authority\/pkcs11\/socketVolume': maxProperties: got 2, want 1/,
  ],
  'a volume that no socket can be in': [
    inToken({ socketVolume: { configMap: { name: 'a' } } }),
    /'\/authority\/pkcs11\/socketVolume': additional properties 'configMap' not allowed/,
  ],
  'a socket outside of its volume': [
    inToken({ socketName: '../pkcs11' }),
    /'\/authority\/pkcs11\/socketName': '\.\.\/pkcs11' does not match/,
  ],
  'a PIN that is written down': [
    inToken({ pin: '1234' }),
    /'\/authority\/pkcs11': additional properties 'pin' not allowed/,
  ],
  'a token that nobody asks': [
    ['--set', 'authority.pkcs11.pinSecretName=a'],
    /- authority\.pkcs11\.pinSecretName: authority\.kind is selfSigned, so it would be ignored/,
  ],
  'a rotation of what is in a token': [
    [...inToken(), '--set', 'authority.selfSigned.rotation.everySeconds=7776000'],
    /rotation\.everySeconds: authority\.kind is pkcs11.* write the next CA over the one in the Sec/,
  ],
}

for (const [what, [values, said]] of Object.entries(refused)) {
  test(`refused, by the value's name: ${what}`, async () => {
    requirement('chart.values-closed')
    assert.match(await refusalOfChart(...values), said)
  })
}
