/** Pods that connect to each other all the while, with what a kubelet writes into their volumes: late, and each at another time. */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import type { TrustDomain } from '../../src/identity/trust-domain.ts'
import type { AuthoritySource } from '../../src/pki/authority.ts'
import { createIssuer } from '../../src/pki/issue.ts'
import { createProfile } from '../../src/pki/profile.ts'
import { parseSubjectKey } from '../../src/pki/subject-key.ts'
import { requireCountersign } from '../../src/toolserver/require-countersign.ts'
import { testIdentity } from '../../test/support/test-authority.ts'
import { atOnce } from '../../test/support/at-once.ts'

export interface RotatingPodsOptions {
  readonly folder: string
  readonly trustDomain: TrustDomain
  /** Of the replicas of the signer: whoever answers first gives a certificate. */
  readonly signers: readonly AuthoritySource[]
  /** What is published now, PEM. */
  readonly bundle: () => Promise<string>
  readonly servers: number
  readonly agents: number
  /** A kubelet is up to so late with a bundle that has changed, and with a certificate that is due. */
  readonly lateSeconds: number
}

/** What was tried since it was asked for last. */
export interface Handshakes {
  readonly milliseconds: number[]
  /** Why each that failed did. */
  readonly failures: string[]
}

export interface RotatingPods extends AsyncDisposable {
  take(): Handshakes
}

/** Starts them: tool servers with the library for those, and agents with theirs, which connect anew for each request. */
export async function startRotatingPods(options: RotatingPodsOptions): Promise<RotatingPods> {
  const { folder, servers, agents } = options
  await using opened = new AsyncDisposableStack()
  const ending = new AbortController()
  let taken: Handshakes = { milliseconds: [], failures: [] }
  const loops: Promise<void>[] = []
  const ports: number[] = []
  for (let index = 0; index < servers; index += 1) {
    const volume = await openVolume(join(folder, `server-${index}`), 'tools', options)
    loops.push(volume.follow(ending.signal))
    ports.push(await startServer(volume, options.trustDomain, opened))
  }
  for (let index = 0; index < agents; index += 1) {
    const volume = await openVolume(join(folder, `agent-${index}`), 'agent', options)
    loops.push(volume.follow(ending.signal))
    const client = opened.use(
      await openCountersignFetch({
        ...volume.files,
        server: `spiffe://${options.trustDomain}/ns/shop/sa/tools`,
      }),
    )
    const connect = async (): Promise<void> => {
      for (let call = index; !ending.signal.aborted; call += 1) {
        const port = ports[call % ports.length] ?? 0
        const began = performance.now()
        try {
          const answer = await client.fetch(`https://127.0.0.1:${port}/`, {
            method: 'POST',
            body: '{}',
          })
          await answer.text()
          if (!answer.ok) throw new Error(`status ${answer.status}`)
          taken.milliseconds.push(performance.now() - began)
        } catch (error) {
          taken.failures.push(error instanceof Error ? error.message : String(error))
        }
      }
    }
    loops.push(connect())
  }
  // Before what the loops use is closed.
  opened.defer(async () => {
    ending.abort()
    await Promise.all(loops)
  })
  const parts = opened.move()
  return {
    take() {
      const before = taken
      taken = { milliseconds: [], failures: [] }
      return before
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

async function startServer(
  { files }: Volume,
  trustDomain: TrustDomain,
  opened: AsyncDisposableStack,
): Promise<number> {
  const countersign = await requireCountersign({
    ...files,
    trustDomain,
    gateways: [],
    direct: ['agent'],
    production: false,
  })
  const listener = countersign.guard((_, response) => {
    // The next request is another handshake.
    response.writeHead(200, { connection: 'close' }).end('{}')
  })
  const server = createServer(countersign.tlsOptions, (request, response) => {
    response.shouldKeepAlive = false
    listener(request, response)
  })
  countersign.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.defer(async () => {
    await countersign.close({ graceSeconds: 0, callSecondsMax: 1 })
    await countersign[Symbol.asyncDispose]()
  })
  return (server.address() as AddressInfo).port
}

interface Volume {
  readonly files: { readonly credentialBundle: string; readonly trustBundle: string }
  /** Writes what is new into it until the signal aborts. */
  follow(signal: AbortSignal): Promise<void>
}

async function openVolume(
  folder: string,
  serviceAccount: 'tools' | 'agent',
  { trustDomain, signers, bundle, lateSeconds }: RotatingPodsOptions,
): Promise<Volume> {
  await mkdir(folder, { recursive: true })
  const files = {
    credentialBundle: join(folder, 'credential-bundle.pem'),
    trustBundle: join(folder, 'trust-bundle.pem'),
  }
  const role = serviceAccount === 'agent' ? 'agent' : 'tool-server'
  const write = async (file: string, text: string): Promise<void> => {
    await writeFile(`${file}.next`, text)
    await rename(`${file}.next`, file)
  }
  const renew = (): Promise<void> => {
    const signer = signers[Math.floor(Math.random() * signers.length)]
    if (signer === undefined) throw new TypeError('no signer')
    return write(
      files.credentialBundle,
      issueCredential(signer, { trustDomain, serviceAccount, role }),
    )
  }
  const follow = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await delay(Math.random() * lateSeconds * 1000, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      // In whichever order: a kubelet keeps none.
      const work = [renew, async (): Promise<void> => write(files.trustBundle, await bundle())]
      if (Math.random() < 0.5) work.reverse()
      for (const each of work) await each()
    }
  }
  await renew()
  await write(files.trustBundle, await bundle())
  return { files, follow }
}

/** As a pod gets it: a new key, and a certificate for it by the CA that is in force. */
function issueCredential(
  authorities: AuthoritySource,
  workload: {
    readonly trustDomain: TrustDomain
    readonly serviceAccount: string
    readonly role: 'agent' | 'tool-server'
  },
): string {
  const { trustDomain } = workload
  const profile = createProfile({ trustDomain, cluster: 'bench', production: false })
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = createIssuer({ profile, authorities, now: Date.now })
  const prepared = issuer.prepare({
    identity: testIdentity({ ...workload, cluster: 'bench' }),
    dnsNames: [],
    key: parseSubjectKey(publicKey.export({ format: 'der', type: 'spki' })),
    lifetimeSeconds: 3600,
  })
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  return `${key}${atOnce(issuer.issue(prepared)).chainPem}`
}
