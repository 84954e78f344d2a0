import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import { run } from '../../../src/cli/program.ts'
import { requirement } from '../../requirements.ts'
import { startFakeApiServer, statusAnswer } from '../../support/fake-api-server.ts'
import { boundExtra, declared, signingRequest } from '../../signer/signing-request.ts'

const folder = await mkdtemp(join(tmpdir(), 'countersign-asked-'))
after(() => rm(folder, { recursive: true, force: true }))

const path = (name: string): string => join(folder, name)
const signerName = 'example.com/agents'

const settings = {
  trustDomain: 'example.org',
  cluster: 'east',
  signerName,
  production: false,
  authority: { selfSigned: { namespace: 'system' } },
  ledger: { file: 'ledger' },
}

function object(kind: string, name: string, more: object = {}): object {
  const { metadata = {}, ...others } = more as { metadata?: object }
  return { kind, metadata: { name, resourceVersion: '7', ...metadata }, ...others }
}

const annotations = { ...declared, 'countersign.dev/certificate-signing-requests': signerName }
const namespace = 'team-a'
const cluster = [
  object('Namespace', namespace, { metadata: { uid: 'namespace-uid' } }),
  object('ServiceAccount', 'worker', { metadata: { namespace, uid: 'account-uid' } }),
  object('Node', 'node1', { metadata: { uid: 'node-uid' } }),
  object('Pod', 'worker-0', {
    metadata: { namespace, uid: 'pod-uid', annotations },
    spec: { nodeName: 'node1', serviceAccountName: 'worker', volumes: [] },
    status: { phase: 'Running' },
  }),
]

function asked(name: string, changed: Parameters<typeof signingRequest>[1] = {}): object {
  const made = signingRequest(name, { ...changed, spec: { signerName, ...changed.spec } })
  return { kind: 'CertificateSigningRequest', ...made }
}

const { 'authentication.kubernetes.io/pod-name': _, ...unbound } = boundExtra

const requests = [
  asked('waits'),
  asked('approved', { status: { conditions: [{ type: 'Approved' }] } }),
  asked('of-tenant', { annotations: { 'countersign.dev/tenant': 'acme' } }),
  asked('unbound', { spec: { extra: unbound } }),
  asked('of-others', { spec: { signerName: 'example.com/others' } }),
]

before(async () => {
  const answering = { ...settings, certificateSigningRequests: {} }
  await writeFile(path('signer.yaml'), stringify(answering))
  await writeFile(path('silent.yaml'), stringify(settings))
  const approving = { ...settings, certificateSigningRequests: { approve: true } }
  await writeFile(path('approving.yaml'), stringify(approving))
  const account = { namespace, serviceAccount: 'worker' }
  const hub = { ...settings, certificateSigningRequests: { issuedCertificates: account } }
  await writeFile(path('hub.yaml'), stringify(hub))
  await writeFile(
    path('objects.json'),
    JSON.stringify({ kind: 'List', items: [...cluster, ...requests] }),
  )
  await writeFile(path('csr.yaml'), stringify(asked('of-a-file')))
})

async function evaluate(
  what: string,
  config = 'signer.yaml',
  where: readonly string[] = ['--objects', path('objects.json')],
): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const argv = ['evaluate', what, '--config', path(config), ...where]
  const code = await run(argv, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    signal: new AbortController().signal,
  })
  return { code, out, err }
}

test('a CertificateSigningRequest is shown its certificate, by what the API server states of who asks', async () => {
  requirement('cli.evaluate-says-what-the-signer-says')
  const { code, out, err } = await evaluate('csr/waits')
  assert.equal(code, 0, out + err)
  assert.match(out, /^request csr\/waits of pod team-a\/worker-0\n/)
  assert.match(out, /not approved yet: the signer waits for that\n {2}would be issued/)
  assert.match(out, /spiffeId +spiffe:\/\/example\.org\/ns\/team-a\/sa\/worker/)
})

test('one that is approved waits for nobody, nor does one that the signer approves itself', async () => {
  const approved = await evaluate('csr/approved')
  assert.equal(approved.code, 0)
  assert.doesNotMatch(approved.out, /not approved/)
  assert.doesNotMatch((await evaluate('csr/waits', 'approving.yaml')).out, /not approved/)
})

test('a file may hold one', async () => {
  const { code, out, err } = await evaluate(path('csr.yaml'))
  assert.equal(code, 0, out + err)
  assert.match(out, /^request csr\/of-a-file of pod team-a\/worker-0\n/)
})

test('a file says nothing to a terminal but text', async () => {
  const { metadata, ...rest } = asked('of-a-file') as { readonly metadata: object }
  const named = { ...rest, metadata: { ...metadata, name: 'odd\u001b[2J' } }
  await writeFile(path('odd.json'), JSON.stringify(named))
  const { out } = await evaluate(path('odd.json'))
  assert.match(out, /^request csr\/"odd\\u001b\[2J" of pod team-a\/worker-0\n/)
})

test('what it asks for is proved like what a volume asks for', async () => {
  const { code, out } = await evaluate('csr/of-tenant')
  assert.equal(code, 1)
  assert.match(out, /! annotations +asked: .*tenant.*\n +proved: pod declares/)
  assert.match(out, /! tenant +asked: "acme"\n +proved: none/)
})

test('whoever is no pod is denied, and named as the API server states it', async () => {
  requirement('cli.evaluate-says-what-the-signer-says')
  const { code, out } = await evaluate('csr/unbound')
  assert.equal(code, 1)
  assert.match(out, /^request csr\/unbound of "system:serviceaccount:team-a:worker"\n/)
  assert.match(out, /would be denied: RequesterNotProved/)
})

test('of whoever is no pod nothing is looked for in a cluster', async () => {
  await using api = await startFakeApiServer()
  api.otherwise(({ path: asked }) => {
    const name = asked.split('/').at(-1)
    return name === 'unbound' ? { body: requests[3] } : statusAnswer(404, 'NotFound')
  })
  const { code, out, err } = await evaluate('csr/unbound', 'signer.yaml', [
    '--kubeconfig',
    api.kubeconfig,
  ])
  assert.equal(code, 1, err)
  assert.match(out, /would be denied: RequesterNotProved/)
  assert.equal(api.requests.length, 1)
})

for (const [what, config, pattern] of [
  ['csr/nobody', 'signer.yaml', /no CertificateSigningRequest "nobody".*kubectl get csr/s],
  ['team-a/waits', 'signer.yaml', /no PodCertificateRequest "team-a\/waits"/],
  [
    'csr/of-others',
    'signer.yaml',
    /request of signer "example\.com\/others", want=example\.com\/agents/,
  ],
  [
    'csr/waits',
    'silent.yaml',
    /answers no CertificateSigningRequests.*set certificateSigningRequests/s,
  ],
  ['csr/waits', 'hub.yaml', /asked by the agent, want=a request of a pod for itself/],
  ['csr/', 'signer.yaml', /want=<namespace>\/<request>, csr\/<name>, pod\/<namespace>\/<pod>/],
  ['csr/a/b', 'signer.yaml', /want=<namespace>\/<request>, csr\/<name>/],
] as const) {
  test(`evaluate ${what} with ${config}: exits 2 and says so`, async () => {
    const { code, err } = await evaluate(what, config)
    assert.equal(code, 2)
    assert.match(err, pattern)
  })
}
