import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createServer, type TLSSocket } from 'node:tls'
import { createConnector, type ConnectorOptions } from '../../../src/gateway/upstream/tls.ts'
import { checkedLookup } from '../../../src/gateway/upstream/reachable.ts'
import { parseBundle, type Bundle } from '../../../src/pki/bundle.ts'
import { eventually } from '../../support/eventually.ts'
import { parseCaCertificate } from '../../../src/pki/ca-certificate.ts'
import { createTestAuthority, type TestAuthority } from '../../support/test-authority.ts'
import { requirement } from '../../requirements.ts'
import { changeable } from '../world/world.ts'

const authority = createTestAuthority()
const other = createTestAuthority()
const underRoot = createTestAuthority({ underRoot: 3 })

interface Stage extends AsyncDisposable {
  readonly server: ReturnType<TestAuthority['issue']>
  readonly port: number
  readonly trustBundle: ReturnType<typeof changeable<Bundle>>
  /** How many have come, whatever became of them. */
  readonly connections: number
  connect(more?: Partial<ConnectorOptions>): Promise<TLSSocket>
  judgeAgain(): void
}

/** A tool server of one authority and a gateway of another, which trusts these. */
async function openStage(
  of: TestAuthority,
  { trusts = [authority, of] }: { readonly trusts?: readonly TestAuthority[] } = {},
): Promise<Stage> {
  const server = of.issue({ namespace: 'tools', serviceAccount: 'files', role: 'tool-server' })
  const gateway = authority.issue({ serviceAccount: 'gateway', role: 'tool-broker' })
  const pem = [...new Set(trusts)].map(({ bundlePem }) => bundlePem).join('')
  const trustBundle = changeable(parseBundle(pem, authority.trustDomain))
  const { chainPem: cert, privateKeyPem: key } = server.credential
  let connections = 0
  const listener = createServer({ cert, key, requestCert: true, rejectUnauthorized: false })
  listener.on('connection', () => (connections += 1))
  listener.on('tlsClientError', () => {})
  listener.on('secureConnection', (socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  const sockets: TLSSocket[] = []
  let judgeAgain = (): void => {}
  return {
    server,
    port,
    trustBundle,
    get connections() {
      return connections
    },
    connect(more = {}) {
      const connector = createConnector({
        url: new URL(`https://127.0.0.1:${port}`),
        spiffeId: server.identity.spiffeId,
        credential: changeable(gateway.credential),
        trustBundle,
        timeoutMilliseconds: 10_000,
        now: Date.now,
        ...more,
      })
      judgeAgain = () => connector.judgeAgain()
      return new Promise((resolve, reject) => {
        connector.connect((error, socket) => {
          if (socket === null) reject(error ?? new Error('neither'))
          else {
            sockets.push(socket)
            resolve(socket.on('error', () => {}))
          }
        })
      })
    },
    judgeAgain: () => judgeAgain(),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

test('a tool server is known by its SPIFFE ID, whatever its host is called', async () => {
  await using stage = await openStage(authority)
  assert.equal((await stage.connect()).authorized, true)
})

test('a tool server whose CA is an intermediate is let in by the intermediate that it sends', async () => {
  requirement('gateway.intermediates-accepted')
  await using stage = await openStage(underRoot)
  await stage.connect()
})

test('a tool server of nobody whom we trust, and somebody else, are not let in', async () => {
  await using strange = await openStage(other, { trusts: [authority] })
  await assert.rejects(strange.connect(), /unable to verify/)
  await using stage = await openStage(authority)
  const { spiffeId } = authority.issue({ serviceAccount: 'web' }).identity
  await assert.rejects(stage.connect({ spiffeId }), { code: 'gateway/upstream-identity' })
})

test('a tool server whose certificate is revoked is not let in', async () => {
  requirement('gateway.revoked-upstream-not-called')
  await using stage = await openStage(authority)
  const refuses = (): string => 'certificate is revoked'
  await assert.rejects(stage.connect({ refuses }), {
    code: 'gateway/upstream-revoked',
    message: 'certificate is revoked',
  })
})

test('of a tool server it is asked, too, whether the CAs between it and its anchor are revoked', async () => {
  requirement('intermediate.ends-when-revoked')
  await using stage = await openStage(underRoot)
  const [ca] = stage.server.credential.intermediates
  const { certificate } = parseCaCertificate(ca ?? assert.fail(), 'pki/authority')
  const revoked = certificate.serialNumber.toString('hex')
  const asked = stage.connect({
    refuses: (_, above) => above.find(({ issuanceId }) => issuanceId === revoked)?.issuanceId,
  })
  await assert.rejects(asked, { code: 'gateway/upstream-revoked', message: revoked })
})

test('a connection ends when its tool server is revoked, and not before', async () => {
  requirement('gateway.revoked-upstream-not-called')
  await using stage = await openStage(authority)
  const revoked = new Set<string>()
  const socket = await stage.connect({
    refuses: ({ sha256 }) => (revoked.has(sha256) ? 'certificate is revoked' : undefined),
  })
  stage.judgeAgain()
  assert.equal(socket.destroyed, false)
  revoked.add(stage.server.credential.svid.sha256)
  stage.judgeAgain()
  assert.equal(socket.destroyed, true)
})

test('a connection ends when the anchor that it was trusted by leaves the bundle', async () => {
  requirement('gateway.anchors-removed')
  await using stage = await openStage(other)
  const socket = await stage.connect()
  stage.trustBundle.set(authority.bundle)
  stage.judgeAgain()
  assert.equal(socket.destroyed, true)
})

test('a connection ends with the certificate of its tool server', async () => {
  await using stage = await openStage(authority)
  const { notAfter } = stage.server.credential.svid
  const socket = await stage.connect({ now: () => notAfter.getTime() - 50 })
  await eventually('it has ended', () => socket.destroyed)
})

test('where a name must not lead, nothing is connected to', async () => {
  requirement('gateway.upstream-addresses-checked')
  await using stage = await openStage(authority)
  const url = new URL(`https://files.test:${stage.port}`)
  const lookup = checkedLookup('files.test', (_name, _options, done) => {
    done(null, [{ address: '127.0.0.1', family: 4 }])
  })
  await assert.rejects(stage.connect({ url, lookup }), {
    message: 'files.test is at an address of no tool server, got=127.0.0.1',
  })
  assert.equal(stage.connections, 0)
})
