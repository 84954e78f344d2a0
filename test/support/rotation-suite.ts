import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, createServer } from 'node:tls'
import type { Cluster } from '../../dev/cluster.ts'
import { run } from '../../src/cli/program.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import type { AuthoritySource } from '../../src/pki/authority.ts'
import { createIssuer } from '../../src/pki/issue.ts'
import { createProfile } from '../../src/pki/profile.ts'
import { parseSubjectKey } from '../../src/pki/subject-key.ts'
import { trustBundleName } from '../../src/kubernetes/cluster-trust-bundle.ts'
import { eventually } from './eventually.ts'
import { createPlainClient, type PlainClient } from './plain-client.ts'
import { openReplica } from './rotating-signer.ts'
import { testIdentity } from './test-authority.ts'
import { atOnce } from './at-once.ts'

const system = 'countersign-system'
const secretName = 'countersign-authority'
const signerName = 'countersign.dev/identity'
const trustDomain = parseTrustDomain('agents.example')
const profile = createProfile({ trustDomain, cluster: 'test', production: false })
const bundlePath = `/apis/certificates.k8s.io/v1/clustertrustbundles/${trustBundleName(signerName, trustDomain)}`
const secretPath = `/api/v1/namespaces/${system}/secrets/${secretName}`
/** Readers of this suite look every 200 ms; a command that comes too early has to come within it on a busy machine, too. */
const propagationSeconds = 8

const signer = {
  trustDomain,
  signerName,
  secret: { namespace: system, name: secretName },
  propagationSeconds,
}

interface CaStatus {
  readonly authorities: readonly {
    readonly sha256: string
    readonly state: string
    readonly published: boolean
    readonly waitSeconds?: number | null
  }[]
}

interface Pair {
  readonly key: string
  readonly cert: string
}

/** A new certificate, as a pod gets one when it starts. */
function issueLeaf(authorities: AuthoritySource): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = createIssuer({ profile, authorities, now: Date.now })
  const prepared = issuer.prepare({
    identity: testIdentity({ trustDomain, cluster: 'test' }),
    dnsNames: [],
    key: parseSubjectKey(publicKey.export({ format: 'der', type: 'spki' })),
    lifetimeSeconds: 3600,
  })
  return {
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    cert: atOnce(issuer.issue(prepared)).chainPem,
  }
}

/** One handshake in which both sides require a certificate of the other, each with the anchors that it has. */
async function shakeHands(
  server: Pair,
  client: Pair,
  anchors: { server: string; client: string },
): Promise<void> {
  const listener = createServer({
    ...server,
    ca: anchors.server,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const accepted = new Promise<void>((resolve, reject) => {
    listener.once('secureConnection', (socket) => {
      socket.on('error', reject)
      socket.end('ok')
      resolve()
    })
    listener.once('tlsClientError', reject)
  })
  accepted.catch(() => {})
  const socket = connect({
    port,
    host: '127.0.0.1',
    ...client,
    ca: anchors.client,
    checkServerIdentity: () => undefined,
  })
  try {
    await once(socket, 'secureConnect')
    await accepted
  } finally {
    socket.destroy()
    listener.close()
  }
}

/** Steps given by command, followed by replicas, read by clients and servers that connect all the while. */
export function rotationSuite(
  name: string,
  startCluster: (folder: string) => Promise<Cluster>,
): void {
  describe(name, () => {
    let folder: string
    let cluster: Cluster
    let admin: PlainClient
    let config: string

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'countersign-rotation-'))
      cluster = await startCluster(folder)
      admin = await createPlainClient(cluster.adminKubeconfig)
      await create('/api/v1/namespaces', { metadata: { name: system } })
      await create(`/api/v1/namespaces/${system}/secrets`, { metadata: { name: secretName } })
      await create(`/apis/coordination.k8s.io/v1/namespaces/${system}/leases`, {
        metadata: { name: 'countersign-trust-bundle' },
      })
      config = join(folder, 'signer.yaml')
      const authority = {
        selfSigned: { namespace: system, secret: secretName, lifetimeSeconds: 30 * 86_400 },
      }
      const trustBundle = { propagationSeconds }
      const rest = { ledger: { file: 'ledger' }, policy: { bundle: 'policy' } }
      await writeFile(
        config,
        JSON.stringify({ trustDomain, cluster: 'test', authority, trustBundle, ...rest }),
      )
    })
    after(async () => {
      await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    async function create(path: string, body: object): Promise<void> {
      const answer = await admin({ method: 'POST', path, body })
      assert.equal(answer.status, 201, JSON.stringify(answer.body))
    }

    async function ca(
      ...argv: readonly string[]
    ): Promise<{ code: number; out: string; err: string }> {
      let out = ''
      let err = ''
      const options = ['--config', config, '--kubeconfig', cluster.adminKubeconfig, '--json']
      const code = await run(['ca', ...argv, ...options], {
        out: (text) => (out += text),
        err: (text) => (err += text),
        signal: new AbortController().signal,
      })
      return { code, out, err }
    }

    async function done(...argv: readonly string[]): Promise<CaStatus> {
      const { code, out, err } = await ca(...argv)
      assert.equal(code, 0, err)
      return JSON.parse(out) as CaStatus
    }

    const states = ({ authorities }: CaStatus): readonly string[] =>
      authorities.map(({ state }) => state)
    const bundle = async (): Promise<string> =>
      (await admin({ path: bundlePath })).body.spec.trustBundle

    test('a CA is rotated twice while clients and servers connect, and no handshake fails', async (t) => {
      await using opened = new AsyncDisposableStack()
      const replicas: AuthoritySource[] = []
      for (const holder of ['signer-0', 'signer-1']) {
        const client = createApiClient({
          kubeconfig: cluster.adminKubeconfig,
          environment: {},
          userAgent: 'test',
        })
        opened.defer(() => client.close())
        replicas.push(opened.use(await openReplica({ ...signer, client }, holder)).authorities)
      }
      const [one, other] = replicas
      assert.ok(one !== undefined && other !== undefined)
      // Pods that keep what they got first, and readers that look now and then: as different as they may be.
      const first = issueLeaf(one)
      const anchors = { server: await bundle(), client: await bundle() }
      let shaken = 0
      const stop = new AbortController()
      const load = (async () => {
        while (!stop.signal.aborted) {
          if (shaken % 16 === 0) anchors.server = await bundle()
          if (shaken % 16 === 8) anchors.client = await bundle()
          await shakeHands(issueLeaf(one), issueLeaf(other), anchors)
          await shakeHands(first, issueLeaf(other), anchors)
          await shakeHands(issueLeaf(one), first, anchors)
          await shakeHands(issueLeaf(other), issueLeaf(one), anchors)
          shaken += 4
          await delay(10)
        }
      })()
      load.catch(() => {})
      opened.defer(() => stop.abort())
      for (const round of [1, 2]) {
        const prepared = await done('prepare')
        assert.equal(states(prepared).at(-1), 'prepared')
        const early = await ca('activate')
        assert.equal(early.code, 1)
        assert.match(early.err, /is not in the trust bundle|s more to take it up/)
        await eventually(
          `the anchor of round ${round}`,
          async () => {
            const [last] = (await done('status')).authorities.slice(-1)
            return last?.waitSeconds === 0
          },
          30,
        )
        const active = await done('activate')
        assert.deepEqual(states(active), [...Array.from({ length: round }, () => 'old'), 'active'])
        const wanted = active.authorities.at(-1)?.sha256
        await eventually(`both replicas sign with the CA of round ${round}`, () =>
          [one, other].every((source) => source.current().certificate.sha256 === wanted),
        )
        // Whatever a machine's speed: each pair has connected with the new CA, by anchors that both sides have looked at since.
        const before = shaken
        const goesOn = eventually(`handshakes of round ${round}`, () => shaken >= before + 32)
        await Promise.race([load, goesOn])
      }
      stop.abort()
      await load
      t.diagnostic(`${shaken} handshakes over two rotations, none failed`)
    })

    test('what has leaked is replaced at once, and its anchor goes', async () => {
      await using opened = new AsyncDisposableStack()
      const client = createApiClient({
        kubeconfig: cluster.adminKubeconfig,
        environment: {},
        userAgent: 'test',
      })
      opened.defer(() => client.close())
      const { authorities } = opened.use(await openReplica({ ...signer, client }, 'signer-2'))
      const leaked = issueLeaf(authorities)
      const { sha256 } = authorities.current().certificate
      assert.equal((await ca('revoke', sha256)).code, 1, 'nothing would sign')
      await done('prepare')
      const next = await done('activate', '--leaked-key')
      assert.deepEqual(states(next).slice(-2), ['tainted', 'active'])
      await eventually('the new one signs, and no reader was waited for', () => {
        try {
          return authorities.current().certificate.sha256 === next.authorities.at(-1)?.sha256
        } catch {
          return false
        }
      })
      const fresh = issueLeaf(authorities)
      const meanwhile = await bundle()
      await shakeHands(fresh, leaked, { server: meanwhile, client: meanwhile })
      const early = await ca('revoke', sha256.slice(0, 12))
      const [, seconds = ''] = /try again in (\d+) s/.exec(early.err) ?? []
      assert.notEqual(seconds, '', early.err)
      await delay(Number(seconds) * 1000)
      await done('revoke', sha256.slice(0, 12))
      await eventually('its anchor is gone', async () => {
        const status = await done('status')
        return status.authorities.every((each) => each.sha256 !== sha256 || !each.published)
      })
      const left = await bundle()
      await assert.rejects(shakeHands(fresh, leaked, { server: left, client: left }))
      const { data } = (await admin({ path: secretPath })).body
      assert.equal(data['prepared.key'], undefined)
    })
  })
}
