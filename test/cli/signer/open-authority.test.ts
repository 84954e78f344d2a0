import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openAuthority } from '../../../src/cli/signer/open-authority.ts'
import { signerSchema } from '../../../src/cli/signer/signer-configuration.ts'
import { createServerClock } from '../../../src/kubernetes/server-clock.ts'
import { silentLog } from '../../../src/log.ts'
import { createMetrics } from '../../../src/metrics.ts'
import type { AuthoritySource } from '../../../src/pki/authority.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'
import { createTestAuthority } from '../../support/test-authority.ts'

const ca = createTestAuthority()
const secret = { namespace: 'countersign-system', name: 'countersign-authority' }

/** Each source of CAs, with the same CA in it; a token needs more than a file to have one. */
const sources = {
  files: { files: { certificate: 'tls.crt', privateKey: 'tls.key' } },
  selfSigned: { selfSigned: { namespace: secret.namespace, secret: secret.name } },
} as const

function open(
  folder: string,
  authority: object,
  cluster: FakeCluster,
): ReturnType<typeof openAuthority> {
  const config = signerSchema(folder).parse({
    trustDomain: ca.trustDomain,
    cluster: 'test',
    authority,
    ledger: { file: 'ledger.jsonl' },
    production: false,
  })
  return openAuthority(config, {
    client: Object.assign(cluster, { ask: () => Promise.reject(new Error('not asked')) }),
    clock: createServerClock(),
    log: silentLog,
    metrics: createMetrics(),
    now: Date.now,
  })
}

function whyOf(authorities: AuthoritySource): string {
  try {
    return authorities.current().certificate.sha256
  } catch (error) {
    return (error as Error).message
  }
}

for (const [name, authority] of Object.entries(sources)) {
  test(`whatever source a CA is of (${name}), it is none that the API server knows its clients by`, async (t) => {
    requirement('signer.never-the-client-ca')
    const folder = await mkdtemp(join(tmpdir(), 'countersign-authority-'))
    t.after(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'tls.crt'), ca.certificatePem)
    await writeFile(join(folder, 'tls.key'), ca.privateKeyPem)
    const cluster = new FakeCluster()
    const encode = (text: string): string => Buffer.from(text).toString('base64')
    const data = { 'tls.crt': encode(ca.certificatePem), 'tls.key': encode(ca.privateKeyPem) }
    cluster.put('secrets', { metadata: secret, data })
    cluster.put('configmaps', {
      metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' },
      data: { 'client-ca-file': ca.certificatePem },
    })
    await using opened = await open(folder, authority, cluster)
    const { authorities } = opened.parts
    await eventually('the CAs of clients', () => /knows its clients/.test(whyOf(authorities)))
    assert.deepEqual(authorities.anchors(), [])
  })
}

test('a CA whose key is in a token waits for the token, and says where it is looked for', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-authority-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'tls.crt'), ca.certificatePem)
  const pkcs11 = { certificate: 'tls.crt', socket: 'p11', token: 'ca', key: 'ca', pinFile: 'pin' }
  await using opened = await open(folder, { pkcs11 }, new FakeCluster())
  const { authorities } = opened.parts
  const said = `token at "${join(folder, 'p11')}" is not reached, got=ENOENT`
  await eventually('a look at the socket', () => whyOf(authorities) === said)
})
