import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { openCountersignFetch, type CountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { createTestAuthority } from '../support/test-authority.ts'

const authority = createTestAuthority()
const gateway = authority.issue({ namespace: 'system', serviceAccount: 'gateway' })
const agent = authority.issue({ namespace: 'acme', serviceAccount: 'researcher', role: 'agent' })
const server = gateway.identity.spiffeId.uri

let folder: string
let listening: Server
let url: string
let paths: { readonly credentialBundle: string; readonly trustBundle: string }

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-agent-'))
  paths = {
    credentialBundle: join(folder, 'credential.pem'),
    trustBundle: join(folder, 'trust.pem'),
  }
  await writeFile(paths.credentialBundle, agent.credentialPem, { mode: 0o600 })
  await writeFile(paths.trustBundle, authority.bundlePem)
  listening = createServer(
    {
      cert: gateway.credential.chainPem,
      key: gateway.credential.privateKeyPem,
      ca: authority.bundlePem,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (request, response) => {
      const status = /^\/status\/(\d+)$/.exec(request.url ?? '')?.[1]
      if (status !== undefined) return void response.writeHead(Number(status)).end()
      const peer = (request.socket as TLSSocket).getPeerCertificate().serialNumber.toLowerCase()
      let body = ''
      request.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      request.on('end', () => {
        response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': ['a', 'b'] })
        response.end(JSON.stringify({ peer, body, method: request.method }))
      })
      return undefined
    },
  )
  await new Promise<void>((resolve) => {
    listening.listen(0, '127.0.0.1', resolve)
  })
  url = `https://127.0.0.1:${(listening.address() as AddressInfo).port}`
})

after(async () => {
  listening.closeAllConnections()
  listening.close()
  await rm(folder, { recursive: true, force: true })
})

async function seenBy(
  mtls: CountersignFetch,
): Promise<{ peer: string; body: string; method: string }> {
  const response = await mtls.fetch(url, { method: 'POST', body: 'hello' })
  assert.equal(response.status, 200)
  return (await response.json()) as { peer: string; body: string; method: string }
}

test('it shows the pod’s certificate and sends the body as it is', async () => {
  await using mtls = await openCountersignFetch({ ...paths, server })
  assert.deepEqual(await seenBy(mtls), {
    peer: agent.issued.serialNumber,
    body: 'hello',
    method: 'POST',
  })
})

test('with one connection, requests share it', async () => {
  await using mtls = await openCountersignFetch({ ...paths, server, connectionsMax: 1 })
  assert.equal(mtls.localPort, undefined)
  await seenBy(mtls)
  const first = mtls.localPort
  await seenBy(mtls)
  assert.equal(mtls.localPort, first)
})

test('an answer without a body is one', async () => {
  await using mtls = await openCountersignFetch({ ...paths, server })
  const response = await mtls.fetch(`${url}/status/202`, { method: 'POST', body: '{}' })
  assert.equal(response.status, 202)
  assert.equal(await response.text(), '')
})

test('a server that proves another identity is not talked to, whatever its address', async () => {
  requirement('agent.server-known')
  const other = 'spiffe://test.example/ns/system/sa/somebody-else'
  await using mtls = await openCountersignFetch({ ...paths, server: other })
  await assert.rejects(seenBy(mtls), {
    code: 'agent/server-identity',
    message: `server is not who it should be: want=${other} got=${server}`,
  })
})

test('a server of another authority is not talked to', async () => {
  const foreign = createTestAuthority()
  const trustBundle = join(folder, 'foreign.pem')
  await writeFile(trustBundle, foreign.bundlePem)
  await using mtls = await openCountersignFetch({ ...paths, trustBundle, server })
  await assert.rejects(seenBy(mtls), /signature failure|self-signed|unable to/i)
})

test('new connections follow the mounted credential as it rotates', async () => {
  await using mtls = await openCountersignFetch({ ...paths, server })
  await seenBy(mtls)
  const next = authority.issue({ namespace: 'acme', serviceAccount: 'researcher', role: 'agent' })
  await writeFile(join(folder, 'next.pem'), next.credentialPem, { mode: 0o600 })
  await rename(join(folder, 'next.pem'), paths.credentialBundle)
  await eventually('the new certificate', async () => {
    const { peer } = await seenBy(mtls)
    return peer === next.issued.serialNumber
  })
})

test('an aborted request ends', async () => {
  await using mtls = await openCountersignFetch({ ...paths, server })
  await assert.rejects(
    mtls.fetch(url, { method: 'POST', body: '{}', signal: AbortSignal.abort() }),
    /abort/i,
  )
})
