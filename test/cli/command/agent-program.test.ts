import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import { run } from '../../../src/cli/program.ts'
import { openCredentialFolder } from '../../../src/renewal/credential-folder.ts'
import { requirement } from '../../requirements.ts'
import { createAuthority, type Authority } from '../../support/cluster-credentials.ts'

let folder: string
let authority: Authority

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-program-'))
  authority = await createAuthority('the signer of kubelets')
  await writeFile(join(folder, 'ca.pem'), authority.certificatePem)
})

after(() => rm(folder, { recursive: true, force: true }))

const serving = {
  trustBundle: 'ca.pem',
  folder: 'kept',
  kubeletServing: { node: 'a', dnsNames: ['a.example'] },
}

const workload = { trustDomain: 'a.example', folder: 'kept' }

async function agent(
  config: object,
  ...options: readonly string[]
): Promise<{ readonly code: number; readonly told: string }> {
  const file = join(folder, 'agent.yaml')
  await writeFile(file, stringify(config))
  let told = ''
  const tell = (text: string): void => void (told += text)
  const signal = AbortSignal.timeout(10_000)
  const code = await run(['agent', '--config', file, ...options], { out: tell, err: tell, signal })
  return { code, told }
}

const hour = 3_600_000
const lives = [
  ['an hour', hour, 0, 0],
  ['a day and an hour', 25 * hour, 0, 1],
  ['nine days and a half', 228 * hour, 0, 9],
  ['two years', 730 * 24 * hour, 0, 250],
  ['nothing any more', -hour, 1, 255],
] as const

for (const [what, milliseconds, plain, days] of lives) {
  test(`a certificate that is good for ${what}: ${plain}, and ${days} in days`, async () => {
    const kept = await openCredentialFolder(join(folder, 'kept'), { groupReadable: false })
    const { privateKeyPem, certificatePem } = await authority.issueNode({
      name: 'a',
      names: [{ type: 'dns', value: 'a.example' }],
      notAfter: new Date(Date.now() + milliseconds),
    })
    const credentialBundle = `${privateKeyPem}${certificatePem}`
    await kept.write({ credentialBundle, trustBundle: authority.certificatePem })
    assert.equal((await agent(serving, '--check')).code, plain)
    assert.equal((await agent(serving, '--check', '--days')).code, days)
  })
}

test('where there is no credential there are no days', async () => {
  const config = { ...serving, folder: 'none' }
  assert.equal((await agent(config, '--check')).code, 1)
  const { code, told } = await agent(config, '--check', '--days')
  assert.equal(code, 255)
  assert.match(told, /there is no credential in the folder/)
})

const bad = [
  ['neither a trust domain nor a node', { folder: 'x' }, /trustDomain: want=a trust domain/],
  [
    'a node without anchors',
    { ...serving, trustBundle: undefined },
    /trustBundle: want=a file beside kubeletServing/,
  ],
  [
    'a node and a trust domain',
    { ...serving, trustDomain: 'a.example' },
    /trustDomain: want=nothing of workloads/,
  ],
  [
    'a node that asks for tool scopes',
    { ...serving, annotations: { 'countersign.dev/tenant': 'x' } },
    /annotations: want=nothing of workloads/,
  ],
  [
    'a wildcard',
    { ...serving, kubeletServing: { node: 'a', dnsNames: ['*.example'] } },
    /kubeletServing\.dnsNames.*want=a DNS name/,
  ],
  [
    'an address of a link',
    { ...serving, kubeletServing: { node: 'a', addresses: ['fe80::1%eth0'] } },
    /kubeletServing\.addresses.*want=an IP address/,
  ],
  [
    'a node that asks for no name',
    { ...serving, kubeletServing: { node: 'a' } },
    /kubeletServing: want=dnsNames or addresses/,
  ],
  [
    'files and requests of equal rank',
    { ...serving, files: { credentialBundle: 'x' } },
    /sources: files and csr are of equal rank, want=an order/,
  ],
  [
    'requests and what signs itself of equal rank',
    { ...workload, production: false, selfSigned: { spiffeId: 'spiffe://a.example/ns/a/sa/b' } },
    /sources: self-signed and csr are of equal rank/,
  ],
  [
    'a source twice',
    { ...serving, sources: ['csr', 'csr'] },
    /sources: want=each once got="csr" twice/,
  ],
  ['no source', { ...serving, sources: [] }, /sources/],
  ['files that are nowhere', { ...serving, sources: ['files'] }, /files: want=where they are/],
  [
    'a key without a certificate',
    { ...serving, sources: ['files'], files: { privateKey: 'x' } },
    /files/,
  ],
  [
    'what signs itself in production',
    { ...serving, sources: ['csr', 'self-signed'] },
    /sources: want=production: false beside self-signed/,
  ],
  [
    'what signs itself for nobody',
    { ...workload, sources: ['self-signed'], production: false },
    /selfSigned: want=a spiffeId/,
  ],
  [
    'what signs itself in another trust domain',
    {
      ...workload,
      sources: ['self-signed'],
      production: false,
      selfSigned: { spiffeId: 'spiffe://b.example/ns/a/sa/b' },
    },
    /selfSigned\.spiffeId: want=of a workload of a\.example/,
  ],
] as const

test('what signs itself needs nobody, and is good for its own configuration alone', async () => {
  requirement('renewal.sources-in-order')
  const log = { level: 'error' }
  const made = { sources: ['self-signed'], production: false, folder: 'made', log }
  const config = { ...serving, ...made, trustBundle: undefined }
  assert.equal((await agent(config, '--once')).code, 0)
  const checked = await agent(config, '--check')
  assert.equal(checked.code, 0)
  assert.match(checked.told, /warning: its source is self-signed: nobody vouches for it/)
  const first = { ...config, trustBundle: serving.trustBundle, sources: ['csr', 'self-signed'] }
  assert.match((await agent(first, '--check')).told, /warning: its source is self-signed/)
  const { code, told } = await agent({ ...serving, folder: 'made' }, '--check')
  assert.equal(code, 1)
  assert.match(told, /of a source that is not used, got=self-signed/)
})

for (const [what, config, said] of bad) {
  test(`a configuration of ${what} is refused, by its field`, async () => {
    const { code, told } = await agent(config, '--check')
    assert.equal(code, 2, told)
    assert.match(told, said)
  })
}
