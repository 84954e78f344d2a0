import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import { run } from '../../../src/cli/program.ts'
import { requirement } from '../../requirements.ts'

const folder = await mkdtemp(join(tmpdir(), 'countersign-evaluate-'))
const config = join(folder, 'signer.yaml')
const objects = join(folder, 'objects.yaml')
const requestFile = join(folder, 'request.yaml')
const signerName = 'countersign.dev/identity'

function metadata(name: string, more: object = {}): object {
  return { name, uid: `${name}-uid`, resourceVersion: '7', ...more }
}

function pod(name: string, annotations: object, more: object = {}): object {
  const podCertificate = {
    signerName,
    keyType: 'ECDSAP256',
    credentialBundlePath: 'bundle.pem',
    userAnnotations: annotations,
  }
  const volume = { name: 'identity', projected: { sources: [{ podCertificate }] } }
  return {
    kind: 'Pod',
    metadata: metadata(name, { namespace: 'acme' }),
    spec: { nodeName: 'node-1', serviceAccountName: 'worker', volumes: [volume] },
    status: { phase: 'Running' },
    ...more,
  }
}

const asksForTenant = { 'countersign.dev/tenant': 'acme' }

const items = [
  {
    kind: 'Namespace',
    metadata: metadata('acme', {
      labels: { 'countersign.dev/tenant': 'acme', 'models.countersign.dev/small': 'allow' },
    }),
  },
  {
    kind: 'ServiceAccount',
    metadata: metadata('worker', {
      namespace: 'acme',
      annotations: { 'countersign.dev/models': 'small' },
    }),
  },
  { kind: 'Node', metadata: metadata('node-1') },
  pod('asks', { ...asksForTenant, 'countersign.dev/models': 'small' }),
  pod('silent', {}),
  pod('thief', { 'countersign.dev/tenant': 'globex' }),
  pod('ended', {}, { status: { phase: 'Succeeded' } }),
  { kind: 'ConfigMap', metadata: { name: 'nobody-reads-it' } },
]

function request(podName: string, annotations: object): object {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const uid = `${podName}-uid`
  return {
    kind: 'PodCertificateRequest',
    metadata: metadata('req-1', { namespace: 'acme' }),
    spec: {
      signerName,
      podName,
      podUID: uid,
      serviceAccountName: 'worker',
      serviceAccountUID: 'worker-uid',
      nodeName: 'node-1',
      nodeUID: 'node-1-uid',
      maxExpirationSeconds: 86_400,
      pkixPublicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      proofOfPossession: sign('sha256', Buffer.from(uid), privateKey).toString('base64'),
      unverifiedUserAnnotations: annotations,
    },
  }
}

const settings = {
  trustDomain: 'example.org',
  cluster: 'east',
  production: false,
  authority: { selfSigned: { namespace: 'system' } },
  ledger: { file: 'ledger' },
}

before(async () => {
  await writeFile(config, stringify(settings))
  await writeFile(objects, stringify({ kind: 'List', items }))
  await writeFile(requestFile, stringify(request('asks', { 'countersign.dev/tenant': 'globex' })))
})

after(() => rm(folder, { recursive: true, force: true }))

async function countersign(
  ...argv: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  return countersignWith(config, ...argv)
}

async function countersignWith(
  file: string,
  ...argv: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await run([...argv, '--config', file, '--objects', objects], {
    out: (text) => (out += text),
    err: (text) => (err += text),
    signal: new AbortController().signal,
  })
  return { code, out, err }
}

test('a pod is shown its certificate, with what proves each field of it', async () => {
  requirement('cli.evaluate-says-what-the-signer-says')
  const { code, out, err } = await countersign('evaluate', 'pod/acme/asks')
  assert.equal(code, 0, err)
  assert.match(out, /would be issued/)
  assert.match(out, /tenant +acme, by label countersign\.dev\/tenant of namespace "acme"/)
  assert.match(out, /spiffeId +spiffe:\/\/example\.org\/ns\/acme\/sa\/worker/)
  assert.match(err, /the ledger ".*" is not here: whether the key was certified for another pod/)
})

test('one that would be denied is told what was asked, what is proved and what to do', async () => {
  const { code, out } = await countersign('evaluate', 'pod/acme/thief')
  assert.equal(code, 1)
  assert.match(out, /would be denied: TenantNotProved/)
  assert.match(out, /! tenant +asked: "globex"\n +proved: "acme"\n +fix: /)
})

test('a request of a file is judged with its own key, and against the pod that declares it', async () => {
  const { code, out } = await countersign('evaluate', requestFile, '--json')
  assert.equal(code, 1)
  const { documents } = JSON.parse(out) as {
    documents: [{ verdict: string; fields: { field: string }[] }]
  }
  assert.equal(documents[0].verdict, 'deny')
  assert.deepEqual(
    documents[0].fields.map(({ field }) => field),
    ['volume', 'tenant'],
  )
})

test('one whose proof of possession is of another pod is denied before any check', async () => {
  const file = join(folder, 'stolen.yaml')
  const { spec, ...others } = request('asks', {}) as { spec: object }
  await writeFile(file, stringify({ ...others, spec: { ...spec, podUID: 'silent-uid' } }))
  const { code, out } = await countersign('evaluate', file)
  assert.equal(code, 1)
  assert.match(out, /would be denied: ProofOfPossessionInvalid/)
})

test('the JSON document has the certificate, and the versions that its evidence was read at', async () => {
  const { out } = await countersign('evaluate', 'pod/acme/asks', '--json')
  const { version, keysKnown, documents } = JSON.parse(out) as {
    version: number
    keysKnown: boolean
    documents: [{ verdict: string; certificate: Record<string, unknown>; evidence: object }]
  }
  const [{ verdict, certificate, evidence }] = documents
  assert.deepEqual([version, keysKnown, verdict], [1, false, 'issue'])
  assert.equal(certificate['tenant'], 'acme')
  assert.deepEqual(certificate['models'], ['small'])
  assert.deepEqual(evidence, { pod: '7', namespace: '7', serviceAccount: '7', node: '7' })
})

for (const [what, pattern] of [
  [
    'acme',
    /want=<namespace>\/<request>, csr\/<name>, pod\/<namespace>\/<pod> or a YAML file got="acme"/,
  ],
  ['acme/req-9', /no PodCertificateRequest "acme\/req-9"/],
  ['pod/acme/nobody', /no pod "acme\/nobody"/],
  ['absent.yaml', /file cannot be read, got="absent\.yaml"/],
  [objects, /want=one PodCertificateRequest or CertificateSigningRequest got=none/],
] as const) {
  test(`evaluate ${what.replace(folder, '')}: exits 2 and says so`, async () => {
    const { code, err } = await countersign('evaluate', what)
    assert.equal(code, 2)
    assert.match(err, pattern)
  })
}

test('an object that cannot be read is named with its file', async () => {
  const file = join(folder, 'no-uid.yaml')
  await writeFile(file, stringify({ kind: 'Node', metadata: { name: 'node-2' } }))
  const { code, err } = await countersign('evaluate', 'pod/acme/asks', '--objects', file)
  assert.equal(code, 2)
  assert.match(err, /no-uid\.yaml": Node: metadata\.uid/)
})

test('a label that is taken away refuses who asks for it, and gives the others another certificate', async () => {
  requirement('cli.evaluate-says-what-the-signer-says')
  const { code, out } = await countersign('preview', '--label', 'acme:countersign.dev/tenant-')
  assert.equal(code, 1)
  assert.match(
    out,
    /^REFUSED {2}acme\/asks {2}volume identity\n {4}tenant: asked "acme"; proved: none/m,
  )
  assert.match(out, /^other {4}acme\/silent {2}volume identity\n {4}tenant: acme -> none/m)
  assert.match(
    out,
    /3 certificates of running pods: 1 refused, 0 waiting, 1 other, 0 warned, 0 issued that are not now, 1 as now/,
  )
})

test('a label that proves what was refused is no loss', async () => {
  const { code, out } = await countersign(
    'preview',
    '--label',
    'acme:countersign.dev/tenant=globex',
    '--json',
  )
  assert.equal(code, 1)
  const { certificates } = JSON.parse(out) as { certificates: { pod: string; change: string }[] }
  assert.deepEqual(
    certificates.map(({ pod: name, change }) => [name, change]),
    [
      ['acme/asks', 'refused'],
      ['acme/silent', 'other'],
      ['acme/thief', 'issued'],
    ],
  )
})

test('an annotation of a service account is previewed like a label', async () => {
  const { code, out } = await countersign(
    'preview',
    '--annotation',
    'acme/worker:countersign.dev/models=large',
  )
  assert.equal(code, 1)
  assert.match(out, /^REFUSED {2}acme\/asks/m)
  assert.doesNotMatch(out, /acme\/silent/)
})

test('data of policy that refuses a namespace refuses its pods', async () => {
  const data = join(folder, 'denied.json')
  await writeFile(data, JSON.stringify({ issuance: { denied_namespaces: { acme: true } } }))
  const { code, out } = await countersign('preview', '--data', data)
  assert.equal(code, 1)
  assert.match(out, /2 refused, 0 waiting, 0 other, 0 warned, 0 issued that are not now, 1 as now/)
  assert.match(out, /proved: namespace-denied: /)
})

test('a namespace that is to be enforced is previewed by what it is only warned of now', async () => {
  requirement('cli.evaluate-says-what-the-signer-says')
  const warned = join(folder, 'warned.yaml')
  await writeFile(warned, stringify({ ...settings, enforcement: { namespaces: { acme: 'warn' } } }))
  const asked = await countersignWith(warned, 'evaluate', 'pod/acme/thief')
  assert.equal(asked.code, 0, asked.err)
  assert.match(
    asked.out,
    /would be issued, with a warning: an enforced namespace is denied it, TenantNotProved/,
  )
  assert.match(asked.out, /! tenant +asked: "globex"\n +proved: "acme"\n +fix: set label/)
  assert.match(asked.out, /the certificate:[^]* tenant +acme\n/)
  const enforced = await countersignWith(warned, 'preview', '--mode', 'acme=enforce')
  assert.equal(enforced.code, 1)
  assert.match(
    enforced.out,
    /^REFUSED {2}acme\/thief {2}volume identity\n {4}tenant: asked "globex"/m,
  )
  assert.match(enforced.out, /1 refused, 0 waiting, 0 other, 0 warned, 0 issued that .* 2 as now/)
  const label = ['preview', '--label', 'acme:countersign.dev/tenant=green'] as const
  const relabelled = await countersignWith(warned, ...label)
  assert.equal(relabelled.code, 0)
  assert.match(
    relabelled.out,
    /^warned {3}acme\/asks {2}volume identity\n {4}tenant: acme -> green\n/m,
  )
  assert.match(relabelled.out, / {4}tenant: asked "acme"; proved: "green"; fix: /)
  const off = await countersign('preview', '--mode', 'acme=off')
  assert.equal(off.code, 1)
  assert.match(off.out, /^WAITS {4}acme\/asks .*\n.*leaves namespace "acme" alone/m)
})

test('a bundle that cannot be before it is in force', async () => {
  const bundle = join(folder, 'no-such-bundle')
  const { code, err } = await countersign('preview', '--policy', bundle)
  assert.equal(code, 1)
  assert.match(err, /no-such-bundle.*\(policy\/bundle\)/)
})

for (const [argv, pattern] of [
  [[], /nothing would change, want=--label, --annotation, --mode, --policy or --data/],
  [['--mode', 'acme=lenient'], /--mode: want=<namespace>=enforce\|warn\|off got="acme=lenient"/],
  [['--mode', 'Acme=off'], /--mode: want=/],
  [['--label', 'acme:team=a'], /"team" proves nothing/],
  [['--label', 'countersign.dev/tenant=a'], /--label: want=<namespace>/],
  [['--annotation', 'acme:countersign.dev/models=a'], /annotations of namespaces prove nothing/],
  [['--label', 'other:countersign.dev/tenant=a'], /no namespace "other"/],
  [['--label', 'acme/other:countersign.dev/role=agent'], /no service account "acme\/other"/],
] as const) {
  test(`preview ${argv.join(' ')}: exits 2 and says so`, async () => {
    const { code, err } = await countersign('preview', ...argv)
    assert.equal(code, 2)
    assert.match(err, pattern)
  })
}

for (const [what, file, pattern] of [
  ['no JSON', 'broken.json', /want=JSON/],
  ['too much YAML', 'large.yaml', /larger than 2097152 octets/],
] as const) {
  test(`objects that are ${what} are refused with the name of the file`, async () => {
    const path = join(folder, file)
    await writeFile(path, '#'.repeat(3 * 1024 * 1024))
    const { code, err } = await countersign('evaluate', 'pod/acme/asks', '--objects', path)
    assert.equal(code, 2)
    assert.match(err, pattern)
  })
}
