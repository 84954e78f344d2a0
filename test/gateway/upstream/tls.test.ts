import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { createConnector, type ConnectorOptions } from '../../../src/gateway/upstream/tls.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import type { Bundle } from '../../../src/pki/bundle.ts'
import type { Credential } from '../../../src/pki/credential.ts'
import type { X509Svid } from '../../../src/pki/x509-svid.ts'
import { requirement } from '../../requirements.ts'
import { createTestAuthority } from '../../support/test-authority.ts'
import { changeable } from '../world/world.ts'

const authority = createTestAuthority()
const server = { namespace: 'tools', serviceAccount: 'files', role: 'tool-server' } as const
const own = authority.issue({ serviceAccount: 'gateway', role: 'tool-broker' }).credential

interface Stage extends AsyncDisposable {
  /** Why the tool server is refused, where it is. */
  refuses: ReturnType<NonNullable<ConnectorOptions['refuses']>>
  /** What it has shown on each connection. */
  readonly shown: X509Svid[]
  /** It shows another certificate from now on. */
  renew(credential: Credential): void
  connect(): Promise<TLSSocket>
  judgeAgain(): void
}

/** A tool server with this certificate, and what connects to it. */
async function openStage(
  credential: Credential,
  options: { readonly bundle?: Bundle; readonly trustDomain?: string } = {},
): Promise<Stage> {
  const listener = createServer({ cert: credential.chainPem, key: credential.privateKeyPem })
  listener.on('secureConnection', (socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  const bundle = changeable(options.bundle ?? authority.bundle)
  const connector = createConnector({
    url: new URL(`https://127.0.0.1:${port}/mcp`),
    spiffeId: parseSpiffeId(`spiffe://${options.trustDomain ?? 'test.example'}/ns/tools/sa/files`),
    credential: { current: () => own, onChange: () => () => {} },
    trustBundle: bundle,
    timeoutMilliseconds: 5000,
    now: Date.now,
    refuses(svid) {
      stage.shown.push(svid)
      return stage.refuses
    },
  })
  const sockets: TLSSocket[] = []
  const stage: Stage = {
    refuses: undefined,
    shown: [],
    renew: ({ chainPem: cert, privateKeyPem: key }) => listener.setSecureContext({ cert, key }),
    connect: () =>
      new Promise((resolve, reject) => {
        connector.connect((error, socket) => {
          if (socket === null) reject(error ?? new Error('no socket'))
          else resolve(socket.on('error', () => {}))
          if (socket !== null) sockets.push(socket)
        })
      }),
    judgeAgain: () => connector.judgeAgain(),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
  return stage
}

/** What ends the connection. */
async function endOf(socket: TLSSocket): Promise<NodeJS.ErrnoException> {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  return error
}

const revoked = { code: 'gateway/upstream-revoked', message: 'certificate is revoked' }

describe('the connections to a tool server', () => {
  test('a server that is found to be revoked by asking is not connected to', async () => {
    requirement('gateway.revoked-upstream-not-called')
    await using stage = await openStage(authority.issue(server).credential)
    stage.refuses = Promise.resolve(revoked.message)
    await assert.rejects(stage.connect(), revoked)
  })

  test('a connection to a server that is found to be revoked by asking ends', async () => {
    requirement('gateway.revoked-upstream-not-called')
    await using stage = await openStage(authority.issue(server).credential)
    const socket = await stage.connect()
    stage.refuses = Promise.resolve(revoked.message)
    const ended = endOf(socket)
    stage.judgeAgain()
    const { code, message } = await ended
    assert.deepEqual({ code, message }, revoked)
  })

  test('a server that nobody can answer for is not connected to', async () => {
    requirement('gateway.revoked-upstream-not-called')
    await using stage = await openStage(authority.issue(server).credential)
    const unknown = Promise.reject(new Error('timed out'))
    unknown.catch(() => {})
    stage.refuses = unknown
    await assert.rejects(stage.connect(), /timed out/)
  })

  test('a server that is asked about is connected to as soon as it is known to be good', async () => {
    await using stage = await openStage(authority.issue(server).credential)
    stage.refuses = Promise.resolve(undefined)
    assert.equal((await stage.connect()).destroyed, false)
  })

  test('a certificate is read once for all connections, and never taken for another', async () => {
    requirement('gateway.upstream-verified')
    await using stage = await openStage(authority.issue(server).credential)
    await stage.connect()
    await stage.connect()
    const [first, again] = stage.shown
    assert.equal(again, first)
    const renewed = authority.issue(server).credential
    stage.renew(renewed)
    await stage.connect()
    assert.equal(stage.shown[2]?.sha256, renewed.svid.sha256)
    stage.renew(authority.issue({ ...server, serviceAccount: 'other' }).credential)
    await assert.rejects(stage.connect(), { code: 'gateway/upstream-identity' })
  })

  test('a server of another trust domain is refused, whatever anchors OpenSSL was given', async () => {
    requirement('gateway.anchors-of-their-domain')
    const trustDomain = 'other.example'
    const foreign = createTestAuthority({ trustDomain })
    // As a bundle could be if its parser did not refuse it.
    const bundle = {
      ...authority.bundle,
      pem: authority.bundle.pem + foreign.bundle.pem,
    }
    await using stage = await openStage(foreign.issue(server).credential, { bundle, trustDomain })
    await assert.rejects(stage.connect(), { code: 'pki/svid-untrusted' })
  })
})
