import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { approverRights } from '../../../src/approver/rights.ts'
import { readLedger } from '../../../src/ledger/ledger.ts'
import type { NodeVerdict } from '../../../src/ledger/record.ts'
import { newNodeKey, requestOf } from '../../approver/request.ts'
import { requirement } from '../../requirements.ts'
import { writeKubeconfig } from '../../support/cluster-credentials.ts'
import { eventually } from '../../support/eventually.ts'
import { rightsObjects } from '../../support/grant-rights.ts'
import { apiServerUrl, nodeAddress, nodeName } from '../rig/layout.ts'
import type { Node } from '../rig/node.ts'

const root = join(import.meta.dirname, '../../..')
const requestsPath = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const client = 'kubernetes.io/kube-apiserver-client-kubelet'
const credentialId = 'authentication.kubernetes.io/credential-id'
/** Of the node's network, and outside of what the approver is told that nodes have. */
const unproved = '172.30.0.9'
/** Of the node, before kubelet asks by itself. */
const firstRequest = 'before-rotation'
const rotating = ['--rotate-certificates=true', '--rotate-server-certificates=true']

interface SigningRequest {
  readonly metadata: { readonly name: string; readonly creationTimestamp: string }
  readonly spec: {
    readonly username: string
    readonly signerName: string
    readonly extra?: Readonly<Record<string, readonly string[]>>
  }
  readonly status: {
    readonly certificate?: string
    readonly conditions?: readonly {
      readonly type: string
      readonly reason: string
      readonly message: string
    }[]
  }
}

async function requestsOfNode(node: Node): Promise<readonly SigningRequest[]> {
  const { items } = await node.get<{ items: readonly SigningRequest[] }>(requestsPath)
  return items.filter(({ spec }) => spec.username === `system:node:${nodeName}`)
}

function certificateOf({ status }: SigningRequest): X509Certificate | undefined {
  if (status.certificate === undefined) return undefined
  return new X509Certificate(Buffer.from(status.certificate, 'base64'))
}

const keyFile = (node: Node, name: string): string => join(node.folder, 'keys', name)

async function answers(node: Node): Promise<boolean> {
  return (await node.run('kubectl', ['get', '--raw', '/readyz'])).code === 0
}

/** As a user with the documented rights and no others, until the power is cut. The node is one of the control plane, whose address is the API server's: so configuration says that it has it. */
async function startApprover(node: Node): Promise<{ readonly ended: string | undefined }> {
  await node.apply(
    ...rightsObjects('approver', approverRights({ signers: ['serving', 'client'], accounts: [] })),
  )
  const file = join(node.folder, 'approver.json')
  const config = {
    kubeconfig: keyFile(node, 'approver.kubeconfig'),
    kubeletServing: true,
    kubeletClient: true,
    nodes: [{ name: nodeName, addresses: [nodeAddress] }],
    addressRanges: [`${nodeAddress}/32`],
    approvalsPerHour: 3600,
    ledger: { file: join(node.folder, 'approver.jsonl') },
  }
  await writeFile(file, JSON.stringify(config))
  const words = [join(root, 'src/cli/main.ts'), 'approve-requests', '--config', file]
  const program: { ended: string | undefined } = { ended: undefined }
  void node
    .run(process.execPath, words, { timeoutSeconds: 600 })
    .then(({ code, stderr }) => (program.ended = `exit code ${code}: ${stderr}`))
    .catch((error: unknown) => (program.ended = String(error)))
  return program
}

/** Five minutes more lie behind: kubelet renews at seven to nine tenths of all, so what ends within a minute is renewed within half of one. */
async function signFor(node: Node, duration: string): Promise<void> {
  await node.restart(
    'kube-controller-manager',
    `--cluster-signing-cert-file=${keyFile(node, 'ca.pem')}`,
    `--cluster-signing-key-file=${keyFile(node, 'ca-key.pem')}`,
    `--cluster-signing-duration=${duration}`,
  )
}

/** What the node logs in with is soon to be renewed: asked for by the node itself, as any renewal is. Gives a kubeconfig. */
async function renewedSoon(node: Node): Promise<string> {
  const key = newNodeKey()
  const request = requestOf({ commonName: `system:node:${nodeName}` }, key)
  const object = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: firstRequest },
    spec: { signerName: client, request, usages: ['digital signature', 'client auth'] },
  }
  const own = ['--kubeconfig', keyFile(node, 'kubelet.kubeconfig')]
  const made = await node.run('kubectl', [...own, 'create', '-f', '-'], {
    input: JSON.stringify(object),
  })
  assert.equal(made.code, 0, made.stderr)
  let certificate: X509Certificate | undefined
  await eventually('the node has a certificate that ends soon', async () => {
    certificate = certificateOf(await node.get<SigningRequest>(`${requestsPath}/${firstRequest}`))
    return certificate !== undefined
  })
  return writeKubeconfig({
    path: keyFile(node, 'kubelet-rotating.kubeconfig'),
    server: apiServerUrl,
    caPem: await readFile(keyFile(node, 'ca.pem'), 'utf8'),
    credential: {
      certificatePem: certificate?.toString() ?? '',
      privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    },
  })
}

interface Served {
  readonly serial: string
  readonly names: string
  readonly notAfter: string
}

/** Of kubelet's own port, where its chain and its address are good; undefined where they are not. */
async function servedBy(node: Node): Promise<Served | undefined> {
  const script = `
    const ca = require('node:fs').readFileSync('${keyFile(node, 'ca.pem')}')
    const socket = require('node:tls').connect({ host: '${nodeAddress}', port: 10250, ca }, () => {
      const { serialNumber: serial, subjectaltname: names, valid_to: notAfter } = socket.getPeerCertificate()
      console.log(JSON.stringify({ serial, names, notAfter }))
      socket.destroy()
    })
    socket.on('error', () => process.exit(1))`
  const { code, stdout } = await node.run(process.execPath, ['-e', script])
  return code === 0 ? JSON.parse(stdout) : undefined
}

/** What the API server has of kubelet, which it verifies. */
async function throughApiServer(node: Node): Promise<string> {
  const path = `/api/v1/nodes/${nodeName}/proxy/healthz`
  const { stdout, stderr } = await node.run('kubectl', ['get', '--raw', path])
  return `${stdout}${stderr}`
}

async function verdictsOf(node: Node): Promise<readonly NodeVerdict[]> {
  const found: NodeVerdict[] = []
  for await (const { record } of readLedger(join(node.folder, 'approver.jsonl'))) {
    if (record.kind === 'node-verdict') found.push(record)
  }
  return found
}

/** The client certificates that kubelet had by renewal, and that the API server has then seen it ask with. */
function loggedInWith(requests: readonly SigningRequest[]): readonly string[] {
  const seen = new Set(requests.flatMap(({ spec }) => spec.extra?.[credentialId] ?? []))
  const renewed = requests.filter(
    ({ spec, metadata }) => spec.signerName === client && metadata.name !== firstRequest,
  )
  return renewed
    .flatMap((each) => certificateOf(each)?.fingerprint256 ?? [])
    .filter((sha256) => seen.has(`X509SHA256=${sha256.replaceAll(':', '').toLowerCase()}`))
}

async function bothAreRenewed(t: TestContext, node: Node): Promise<void> {
  requirement('approver.names-proved')
  requirement('approver.requester-proved')
  assert.match(await throughApiServer(node), /failed to verify certificate/)
  await node.restart('kubelet', `--kubeconfig=${await renewedSoon(node)}`, ...rotating)
  const served = new Map<string, Served>()
  await eventually(
    'kubelet serves three certificates, one after the other, and logs in with what it was given',
    async () => {
      const certificate = await servedBy(node)
      if (certificate !== undefined) served.set(certificate.serial, certificate)
      return served.size >= 3 && loggedInWith(await requestsOfNode(node)).length > 0
    },
    150,
  )
  for (const { names } of served.values()) {
    assert.equal(names, `DNS:${nodeName}, IP Address:${nodeAddress}`)
  }
  const requests = (await requestsOfNode(node)).filter(certificateOf)
  for (const { metadata, status } of requests) {
    const conditions = status.conditions?.map(({ type, reason }) => [type, reason])
    assert.deepEqual(conditions, [['Approved', 'EvidenceProved']], metadata.name)
  }
  assert.equal(await throughApiServer(node), 'ok')
  t.diagnostic(`certificates: ${requests.length} issued, ${served.size} seen to be served`)
}

async function unprovedIsDenied(t: TestContext, node: Node): Promise<void> {
  requirement('approver.names-proved')
  await signFor(node, '1h')
  let before: Served | undefined
  await eventually(
    'kubelet serves a certificate that lasts',
    async () => {
      before = await servedBy(node)
      return Date.parse(before?.notAfter ?? '') > Date.now() + 600_000
    },
    120,
  )
  const kubeconfig = `--kubeconfig=${keyFile(node, 'kubelet-rotating.kubeconfig')}`
  const added = await node.run('ip', ['address', 'add', `${unproved}/32`, 'dev', 'lo'])
  assert.equal(added.code, 0, added.stderr)
  await node.restart('kubelet', kubeconfig, ...rotating, `--node-ip=${unproved}`)
  let denied: SigningRequest | undefined
  await eventually(
    'kubelet asks for an address that nothing proves',
    async () => {
      denied = (await requestsOfNode(node)).find(({ status }) =>
        status.conditions?.some(({ type }) => type === 'Denied'),
      )
      return denied !== undefined
    },
    120,
  )
  const [condition] = denied?.status.conditions ?? []
  assert.equal(condition?.reason, 'NamesNotProved')
  assert.match(condition?.message ?? '', /^address "172\.30\.0\.9" is outside of the ranges/)
  t.diagnostic(condition?.message ?? '')
  assert.equal((await servedBy(node))?.serial, before?.serial)

  await node.restart('kubelet', kubeconfig, ...rotating)
  // kube-proxy ends where the address of its node changes.
  await node.restart('kube-proxy')
  const verified = async (): Promise<boolean> => (await throughApiServer(node)) === 'ok'
  await eventually('the API server finds kubelet again', verified, 120)
  assert.equal((await servedBy(node))?.serial, before?.serial)
  const issued = (await requestsOfNode(node)).flatMap((each) => certificateOf(each) ?? [])
  assert.deepEqual(
    issued.filter((each) => each.subjectAltName?.includes(unproved)),
    [],
  )
  await eventually('the ledger says how each request ended', async () => {
    const outcomes = Map.groupBy(await verdictsOf(node), ({ request }) => request.uid)
    return [...outcomes.values()].every((records) => records.at(-1)?.outcome === 'published')
  })
  assert.ok((await verdictsOf(node)).some(({ verdict }) => verdict === 'denied'))
}

/** The certificates of kubelet itself: approved on evidence, signed by the controller manager, and verified by the API server. */
export async function tellCertificates(t: TestContext, node: Node): Promise<void> {
  await node.restart('kube-apiserver', `--kubelet-certificate-authority=${keyFile(node, 'ca.pem')}`)
  await eventually('the API server answers', () => answers(node), 60)
  await signFor(node, '60s')
  const approver = await startApprover(node)
  await t.test('kubelet renews what it serves and what it logs in with, as is proved', (t) =>
    bothAreRenewed(t, node),
  )
  await t.test('kubelet says that it has an address: denied, and it serves on', (t) =>
    unprovedIsDenied(t, node),
  )
  assert.equal(approver.ended, undefined)
}
