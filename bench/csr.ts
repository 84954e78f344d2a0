/**
 * How long a certificate takes that a pod asks for by itself, beside one that its kubelet asks for, on a real API server: request created
 * to certificate there, and an agent's whole way to files that are verified and written; and an IssuedCertificate, from its creation to Finished. All take turns in one run. Then many agents
 * that renew within a time. Needs what `npm run test:cluster` needs.
 *
 *     npm run bench csr -- [--each=100] [--agents=1000] [--seconds=60] [--json]
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import { issuedSchema } from '../src/cli/issued/issued-configuration.ts'
import { runIssued } from '../src/cli/issued/run-issued.ts'
import { parseConfiguration } from '../src/cli/configuration.ts'
import { parseTrustDomain } from '../src/identity/trust-domain.ts'
import { createApiClient, type ApiClient, type ApiRequest } from '../src/kubernetes/api-client.ts'
import { createCertificateSigningRequest } from '../src/kubernetes/certificate-signing-request.ts'
import { silentLog } from '../src/log.ts'
import { silentMetrics } from '../src/metrics.ts'
import { requestedUsages } from '../src/pki/certificate-request.ts'
import { writeCertificateRequest } from '../src/pki/certificate-request-write.ts'
import { formatPem } from '../src/pki/pem.ts'
import { openCredentialFolder } from '../src/renewal/credential-folder.ts'
import { requestedSource } from '../src/renewal/credential-source.ts'
import { createKeeper } from '../src/renewal/keep-credential.ts'
import { readAnchors } from '../src/renewal/published-anchors.ts'
import { verifyCredential } from '../src/renewal/verify-credential.ts'
import { startRealCluster } from '../test/support/real-cluster.ts'
import { quantile, report, rounded } from './rig/report.ts'
import {
  account,
  namespace,
  serveIssuedCertificates,
  setStage,
  signerName,
  type BenchPod,
  type Stage,
} from './csr/stage.ts'
import { startOurs, trustDomain as trustDomainName } from './storm/contestants.ts'

const { values } = parseArgs({
  options: {
    each: { type: 'string', default: '100' },
    agents: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
  },
})

const trustDomain = parseTrustDomain(trustDomainName)
const lookMilliseconds = 5
/** Nothing takes that long that is worth a figure. */
const patienceMilliseconds = 120_000

type Way = (stage: Stage, pod: BenchPod, folder: string) => Promise<number>

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-csr-'))
  try {
    await using cluster = await startRealCluster({})
    const stage = await setStage(cluster, folder)
    await serveIssuedCertificates(stage.admin)
    const issuedCertificates = { namespace, serviceAccount: account }
    const more = { certificateSigningRequests: { approve: true, issuedCertificates } }
    const signer = await startOurs(cluster, folder, more)
    const kubeconfig = await stage.kubeconfigOf(await stage.makePod('agent-of-others'))
    const config = stringify({ trustDomain, signerName, kubeconfig, admin: { port: 0 } })
    const keeper = await runIssued(parseConfiguration(config, issuedSchema, 'issued'), silentLog)
    try {
      await measure(stage, folder)
      await measureRenewals(stage, folder)
    } finally {
      await keeper[Symbol.asyncDispose]()
      await signer.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const ways: Readonly<Record<string, Way>> = {
  'PodCertificateRequest to Issued': async (stage, pod) => {
    const at = performance.now()
    const path = await stage.askAsKubelet(pod)
    await until(async () => {
      const { body } = await stage.admin({ path })
      return body.status?.conditions?.[0]?.type === 'Issued'
    })
    return performance.now() - at
  },
  'CertificateSigningRequest to certificate': async (stage, pod) => {
    const client = createApiClient({ kubeconfig: await stage.kubeconfigOf(pod) })
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = formatPem('CERTIFICATE REQUEST', writeCertificateRequest(privateKey))
    const request = Buffer.from(pem).toString('base64')
    const name = `csr-${pod.name}`
    const signal = AbortSignal.timeout(patienceMilliseconds)
    const spec = { signerName, request, usages: requestedUsages, expirationSeconds: 3600 }
    const at = performance.now()
    await createCertificateSigningRequest(client, { name, annotations: {}, spec, signal })
    const path = `/apis/certificates.k8s.io/v1/certificatesigningrequests/${name}`
    await until(async () => (await stage.admin({ path })).body.status.certificate !== undefined)
    client.close()
    return performance.now() - at
  },
  'IssuedCertificate to Finished': async (stage, pod) => {
    const at = performance.now()
    const path = await stage.askForSecret(pod.name, trustDomainName)
    await until(async () => (await stage.admin({ path })).body.status?.state === 'Finished')
    return performance.now() - at
  },
  'agent started to files written': async (stage, pod, folder) => {
    const agent = await agentOf(stage, pod, folder)
    const at = performance.now()
    await agent.renew()
    agent.client.close()
    return performance.now() - at
  },
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + patienceMilliseconds
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('no certificate came')
    await delay(lookMilliseconds)
  }
}

async function measure(stage: Stage, folder: string): Promise<void> {
  const figures = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]))
  const each = Number(values.each)
  // The first of each warms it up, and is not told.
  for (let turn = -5; turn < each; turn += 1) {
    for (const [at, [name, way]] of Object.entries(ways).entries()) {
      const pod = await stage.makePod(`turn-${turn + 5}-${at}`)
      // The signer follows pods: one that it has not seen yet costs it a question.
      await delay(50)
      const milliseconds = await way(stage, pod, folder)
      if (turn >= 0) figures.get(name)?.push(milliseconds)
    }
  }
  report(
    {
      bench: 'csr',
      title: `milliseconds, ${each} of each, one after the other and in turns`,
      columns: ['p50', 'p99'],
      rows: [...figures].map(([name, all]) => ({
        name,
        cells: [rounded(quantile(all, 0.5), 1), rounded(quantile(all, 0.99), 1)],
      })),
    },
    { json: values.json },
  )
}

interface Agent {
  readonly client: ApiClient
  /** Requests to the API server so far. */
  readonly asked: () => number
  /** One certificate more. */
  renew(): Promise<void>
}

/** As `countersign agent` is put together; of each renewal the folder is new, so that one is due. */
async function agentOf(stage: Stage, pod: BenchPod, parent: string): Promise<Agent> {
  const own = createApiClient({ kubeconfig: await stage.kubeconfigOf(pod) })
  let asked = 0
  const client: ApiClient = {
    ...own,
    server: own.server,
    request: <T>(request: ApiRequest): Promise<T> => {
      asked += 1
      return own.request<T>(request)
    },
  }
  let renewals = 0
  return {
    client,
    asked: () => asked,
    async renew() {
      const folder = await openCredentialFolder(join(parent, `${pod.name}-${(renewals += 1)}`), {
        groupReadable: false,
      })
      const keeper = createKeeper({
        sources: [
          requestedSource({
            client,
            store: folder,
            signerName,
            usages: requestedUsages,
            keyType: 'ECDSAP256',
            annotations: {},
            anchors: async (signal) =>
              (await readAnchors({ client, signerName, trustDomain, signal })).pem,
          }),
        ],
        fallBackSeconds: 30,
        folder,
        verify: (credentialBundle, trustBundle) =>
          verifyCredential(credentialBundle, { trustDomain, trustBundle, now: Date.now() }),
        renewPercent: 50,
        changed: () => {},
        log: silentLog,
        metrics: silentMetrics,
        now: Date.now,
      })
      await keeper.run(AbortSignal.timeout(patienceMilliseconds), { once: true })
      if ((await folder.read()) === undefined) throw new Error('no credential came')
    },
  }
}

async function measureRenewals(stage: Stage, folder: string): Promise<void> {
  const count = Number(values.agents)
  if (count === 0) return
  const agents: Agent[] = []
  for (let number = 0; number < count; number += 1) {
    agents.push(await agentOf(stage, await stage.makePod(`agent-${number}`), folder))
  }
  const seconds = Number(values.seconds)
  const took: number[] = []
  let failures = 0
  const begun = performance.now()
  await Promise.all(
    agents.map(async (agent, number) => {
      await delay((number / count) * seconds * 1000)
      const at = performance.now()
      await agent.renew().then(
        () => took.push(performance.now() - at),
        () => (failures += 1),
      )
    }),
  )
  const all = (performance.now() - begun) / 1000
  const asked = agents.reduce((sum, each) => sum + each.asked(), 0)
  for (const { client } of agents) client.close()
  report(
    {
      bench: 'csr',
      title: `${count} agents that renew within ${seconds} s, done after ${rounded(all, 1)} s`,
      columns: ['p50 ms', 'p99 ms', 'requests each', 'failures'],
      rows: [
        {
          name: 'agents',
          cells: [
            rounded(quantile(took, 0.5)),
            rounded(quantile(took, 0.99)),
            rounded(asked / count, 2),
            failures,
          ],
        },
      ],
    },
    { json: values.json },
  )
}

await main()
