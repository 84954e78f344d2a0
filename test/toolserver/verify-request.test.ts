import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { requireCountersign } from '../../src/toolserver/require-countersign.ts'
import { createTestAuthority, type TestLeaf } from '../support/test-authority.ts'
import { parseCaCertificate } from '../../src/pki/ca-certificate.ts'
import { requirement } from '../requirements.ts'

const authority = createTestAuthority({ underRoot: 3 })
const server = authority.issue({ serviceAccount: 'files', role: 'tool-server' })
const gateway = authority.issue({ serviceAccount: 'gateway', role: 'tool-broker' })
const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })

/** What a tool server answers to a list. */
async function askAs({ credential }: TestLeaf, revoked?: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-toolserver-'))
  await writeFile(join(folder, 'credential.pem'), server.credentialPem, { mode: 0o600 })
  await writeFile(join(folder, 'trust.pem'), authority.bundlePem)
  const items = [{ metadata: { name: 'r' }, spec: { issuanceID: revoked } }]
  await writeFile(join(folder, 'revoked.json'), JSON.stringify({ items }))
  await using countersign = await requireCountersign({
    credentialBundle: join(folder, 'credential.pem'),
    trustBundle: join(folder, 'trust.pem'),
    trustDomain: 'test.example',
    gateways: [gateway.identity.spiffeId.uri],
    production: false,
    ...(revoked === undefined ? {} : { revocations: { file: join(folder, 'revoked.json') } }),
  })
  const guard = countersign.guard((_, response) => void response.writeHead(200).end())
  const listener = createServer(countersign.tlsOptions, guard)
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  const { chainPem: cert, privateKeyPem: key } = credential
  const status = await new Promise<number>((resolve, reject) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        method: 'POST',
        agent: false,
        ca: authority.bundlePem,
        cert,
        key,
        checkServerIdentity: () => undefined,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2025-11-25',
        },
      },
      (response) => resolve(response.resume().statusCode ?? 0),
    )
    asked.on('error', reject)
    asked.end(list)
  })
  await new Promise((resolve) => listener.close(resolve))
  await rm(folder, { recursive: true })
  return status
}

test('a gateway whose CA is an intermediate is let in', async () => {
  requirement('toolserver.intermediates-accepted')
  assert.equal(await askAs(gateway), 200)
})

test('a gateway below a CA that is revoked is not let in', async () => {
  requirement('intermediate.ends-when-revoked')
  const [ca] = gateway.credential.intermediates
  const { certificate } = parseCaCertificate(ca ?? assert.fail(), 'pki/authority')
  assert.equal(await askAs(gateway, certificate.serialNumber.toString('hex')), 403)
  assert.equal(await askAs(gateway, '0'.repeat(32)), 200)
})

test('who is no gateway is not let in, whatever its CA', async () => {
  assert.equal(await askAs(authority.issue({ serviceAccount: 'other', role: 'agent' })), 403)
})
