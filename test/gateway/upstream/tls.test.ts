import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { createConnector, type ConnectorOptions } from '../../../src/gateway/upstream/tls.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { parseBundle, type Bundle } from '../../../src/pki/bundle.ts'
import type { Credential } from '../../../src/pki/credential.ts'
import { requirement } from '../../requirements.ts'
import { createTestAuthority } from '../../support/test-authority.ts'
import { changeable } from '../world/world.ts'

const authority = createTestAuthority()
const successor = createTestAuthority()
const both = parseBundle(authority.bundlePem + successor.bundlePem, authority.trustDomain)
const server = { namespace: 'tools', serviceAccount: 'files', role: 'tool-server' } as const
const own = authority.issue({ serviceAccount: 'gateway', role: 'tool-broker' }).credential

interface Stage extends AsyncDisposable {
  readonly bundle: ReturnType<typeof changeable<Bundle>>
  /** Why the tool server is refused, where it is. */
  refuses: ReturnType<NonNullable<ConnectorOptions['refuses']>>
  /** Milliseconds that the gateway's clock is ahead. */
  ahead: number
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
  const bundle = changeable(options.bundle ?? both)
  const connector = createConnector({
    url: new URL(`https://127.0.0.1:${port}/mcp`),
    spiffeId: parseSpiffeId(`spiffe://${options.trustDomain ?? 'test.example'}/ns/tools/sa/files`),
    credential: { current: () => own, onChange: () => () => {} },
    trustBundle: bundle,
    timeoutMilliseconds: 5000,
    now: () => Date.now() + stage.ahead,
    refuses: () => stage.refuses,
  })
  const sockets: TLSSocket[] = []
  const stage: Stage = {
    bundle,
    refuses: undefined,
    ahead: 0,
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
  for (const [how, refuses] of [
    ['as is known', revoked.message],
    ['as is found by asking', Promise.resolve(revoked.message)],
  ] as const) {
    test(`a server that is revoked, ${how}, is not connected to`, async () => {
      requirement('gateway.revoked-server-not-called')
      await using stage = await openStage(authority.issue(server).credential)
      stage.refuses = refuses
      await assert.rejects(stage.connect(), revoked)
    })

    test(`a connection to a server that is revoked since, ${how}, ends`, async () => {
      requirement('gateway.revoked-server-not-called')
      await using stage = await openStage(authority.issue(server).credential)
      const socket = await stage.connect()
      stage.judgeAgain()
      assert.equal(socket.destroyed, false)
      stage.refuses = refuses
      const ended = endOf(socket)
      stage.judgeAgain()
      const { code, message } = await ended
      assert.deepEqual({ code, message }, revoked)
    })
  }

  test('a server that nobody can answer for is not connected to', async () => {
    requirement('gateway.revoked-server-not-called')
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

  test('a connection ends whose anchor has left the trust bundle', async () => {
    requirement('gateway.anchors-removed')
    await using stage = await openStage(successor.issue(server).credential)
    const socket = await stage.connect()
    const ended = endOf(socket)
    stage.bundle.set(authority.bundle)
    stage.judgeAgain()
    assert.equal((await ended).code, 'pki/svid-untrusted')
  })

  test('a connection ends when the certificate of the server does', async () => {
    requirement('gateway.revoked-server-not-called')
    const { credential } = authority.issue(server)
    await using stage = await openStage(credential)
    stage.ahead = credential.svid.notAfter.getTime() - Date.now() - 1000
    const { message } = await endOf(await stage.connect())
    assert.equal(message, 'certificate has expired')
  })

  test('a server of another trust domain is refused, whatever anchors OpenSSL was given', async () => {
    requirement('gateway.anchors-of-their-domain')
    const trustDomain = 'other.example'
    const foreign = createTestAuthority({ trustDomain })
    // As a bundle could be if its parser did not refuse it.
    const bundle = { ...both, pem: both.pem + foreign.bundle.pem }
    await using stage = await openStage(foreign.issue(server).credential, { bundle, trustDomain })
    await assert.rejects(stage.connect(), { code: 'pki/svid-untrusted' })
  })
})
