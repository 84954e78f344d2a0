import { CountersignError, quoted } from '../../errors.ts'
import { discoverPodCertificateVersion } from '../../kubernetes/api-discovery.ts'
import { readObject } from '../../kubernetes/objects.ts'
import { podCertificateRequests } from '../../kubernetes/pod-certificate-request.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { askedOfPod } from '../../signer/preview/asked-of-pod.ts'
import { judgePod, judgeRequest, readKeyOwners, type Judge } from '../../signer/preview/judge.ts'
import { contentOf } from '../../signer/preview/preview.ts'
import { readProtection, type Protection } from '../../signer/preview/protection.ts'
import { readSnapshotFor } from '../../signer/preview/read-snapshot.ts'
import { indexSnapshot, nameOf, type Snapshot } from '../../signer/preview/snapshot.ts'
import type { FieldRefusal, IssueVerdict, Verdict } from '../../signer/verdict/verdict.ts'
import { readConfiguration } from '../configuration.ts'
import { requiredFile } from '../required-file.ts'
import { Refused } from '../run-program.ts'
import { signerSchema, type SignerConfig } from '../signer/signer-configuration.ts'
import type { Terminal } from '../terminal.ts'
import { openJudge, readObjectFiles, requesterOf } from './judging.ts'
import { openClient } from './open-client.ts'

export interface EvaluateOptions {
  readonly config?: string
  readonly kubeconfig?: string
  readonly objects?: readonly string[]
  readonly json?: boolean
}

/** What is judged, with everything that is known of it. */
interface Asked {
  readonly snapshot: Snapshot
  readonly protection: Protection | undefined
  readonly request?: PodCertificateRequest
  /** `<namespace>/<name>` of a pod whose volumes ask, in the place of a request. */
  readonly pod?: string
}

/** Says what the signer would say of a request, or of all that a pod's volumes ask for, and why. Throws `Refused` unless all would be issued. */
export async function runEvaluate(
  what: string,
  options: EvaluateOptions,
  terminal: Terminal,
  now: () => number = Date.now,
): Promise<void> {
  const config = await readConfiguration(requiredFile(options.config, 'evaluate'), signerSchema)
  const asked = await findAsked(what, config, { ...options, signal: terminal.signal })
  const next = await requesterOf(config, () => Promise.resolve(asked.protection))
  // Whether the policy was in force when a request was made is known to the signer alone.
  const requester = asked.request !== undefined && next === 'shown' ? 'unknown' : next
  await using judge = await openJudge(config, config.policy, {
    requester,
    now,
    signal: terminal.signal,
  })
  const ledger = await keyOwners(config, now)
  const rows = judgeAll(asked, config, { ...judge, ...ledger })
  const json = options.json === true
  if (json) {
    const documents = rows.map(document)
    terminal.out(`${JSON.stringify({ version: 1, keysKnown: 'ownerOf' in ledger, documents })}\n`)
  } else {
    terminal.out(rows.map(format).join('\n'))
    if (!('ownerOf' in ledger)) terminal.err(`${unknownKeys(config)}\n`)
  }
  if (rows.some(({ verdict }) => verdict.kind !== 'issue')) throw new Refused()
}

async function findAsked(
  what: string,
  config: SignerConfig,
  options: EvaluateOptions & { readonly signal: AbortSignal },
): Promise<Asked> {
  const isFile = /\.(?:ya?ml|json)$/.test(what)
  const files = [...(options.objects ?? []), ...(isFile ? [what] : [])]
  const { requests, ...seen } = await readObjectFiles(files, config.claims)
  if (isFile) {
    const [request, another] = (await readObjectFiles([what])).requests
    if (request === undefined || another !== undefined) {
      const message = `${quoted(what, 200)}: want=one PodCertificateRequest got=${another === undefined ? 'none' : 'several'}`
      throw new CountersignError('cli/usage', message)
    }
    if (options.objects !== undefined) return { ...seen, request }
    return fromCluster({ request }, config, options)
  }
  const pod = /^pod\/(?<name>[^/]+\/[^/]+)$/.exec(what)?.groups?.['name']
  if (pod === undefined && !/^[^/]+\/[^/]+$/.test(what)) {
    const want = '<namespace>/<request>, pod/<namespace>/<pod> or a YAML file'
    throw new CountersignError('cli/usage', `want=${want} got=${quoted(what, 300)}`)
  }
  if (options.objects === undefined) {
    return fromCluster(pod === undefined ? { name: what } : { pod }, config, options)
  }
  if (pod !== undefined) return { ...seen, pod }
  const request = requests.find((each) => nameOf(each) === what)
  if (request === undefined) throw notThere('request', what)
  return { ...seen, request }
}

async function fromCluster(
  wanted: {
    readonly request?: PodCertificateRequest
    readonly pod?: string
    readonly name?: string
  },
  config: SignerConfig,
  options: EvaluateOptions & { readonly signal: AbortSignal },
): Promise<Asked> {
  const { signal } = options
  const client = openClient(options.kubeconfig ?? config.kubeconfig, 'evaluate')
  try {
    const { admissionPolicy, claims } = config
    const claimOwners = claims?.owners
    const protection =
      admissionPolicy === undefined
        ? undefined
        : await readProtection(client, admissionPolicy, signal)
    if (wanted.pod !== undefined) {
      const [namespace = '', pod = ''] = wanted.pod.split('/')
      return {
        snapshot: await readSnapshotFor(client, { namespace, pod, claimOwners }, signal),
        protection,
        pod: wanted.pod,
      }
    }
    let { request } = wanted
    if (request === undefined) {
      const { version } = await discoverPodCertificateVersion(client, signal)
      const [namespace, name = ''] = (wanted.name ?? '').split('/')
      request = await readObject(client, podCertificateRequests(version), {
        namespace,
        name,
        signal,
      })
    }
    if (request === undefined) throw notThere('request', wanted.name ?? '')
    const { namespace } = request.metadata
    const { pod, serviceAccount, node } = request.spec
    const names = {
      namespace,
      pod: pod.name,
      serviceAccount: serviceAccount.name,
      node: node.name,
      claimOwners,
    }
    return { snapshot: await readSnapshotFor(client, names, signal), protection, request }
  } finally {
    client.close()
  }
}

function notThere(what: 'pod' | 'request', name: string): CountersignError {
  const [kind, hint] =
    what === 'pod'
      ? ['pod', 'kubectl get pods --all-namespaces']
      : [
          'PodCertificateRequest',
          'it is deleted soon after it ends; pod/<namespace>/<pod> asks anew',
        ]
  return new CountersignError('cli/usage', `no ${kind} ${quoted(name, 300)}`, { hint })
}

/** Whose a key is, where the ledger can be read from here. */
async function keyOwners(config: SignerConfig, now: () => number): Promise<Pick<Judge, 'ownerOf'>> {
  try {
    return await readKeyOwners(config.ledger.file, now)
  } catch (error) {
    if (error instanceof CountersignError && error.code === 'ledger/unavailable') return {}
    throw error
  }
}

function unknownKeys({ ledger }: SignerConfig): string {
  return `the ledger ${quoted(ledger.file, 200)} is not here: whether the key was certified for another pod is not known`
}

interface Row {
  readonly heading: string
  readonly verdict: Verdict
  /** What the request was answered already. */
  readonly answered?: string
}

function judgeAll(asked: Asked, config: SignerConfig, judge: Judge): readonly Row[] {
  const index = indexSnapshot(asked.snapshot)
  const { request } = asked
  if (request !== undefined) {
    const { signerName, pod } = request.spec
    if (signerName !== config.signerName) {
      const message = `request of signer ${quoted(signerName)}, want=${config.signerName}`
      throw new CountersignError('cli/usage', message)
    }
    const answered = request.status.terminal?.condition
    return [
      {
        heading: `request ${nameOf(request)} of pod ${pod.name}`,
        verdict: judgeRequest(request, index, judge),
        ...(answered === undefined ? {} : { answered }),
      },
    ]
  }
  const name = asked.pod ?? ''
  const pod = index.pods.get(name)
  if (pod === undefined) throw notThere('pod', name)
  const rows = askedOfPod(pod, index, config.signerName)
  if (rows.length === 0) {
    const message = `pod ${quoted(name, 300)} asks nothing of ${config.signerName}`
    const hint = 'its spec needs a projected volume with a podCertificate source'
    throw new CountersignError('cli/usage', message, { hint })
  }
  return rows.map((row) => ({
    heading: `volume ${quoted(row.volume)} of pod ${name}`,
    verdict: judgePod(row, index, judge),
  }))
}

function document({ heading, verdict, answered }: Row): object {
  const { findings } = verdict
  const told = { of: heading, ...(answered === undefined ? {} : { answered }), findings }
  if (verdict.kind === 'issue') {
    const { evidenceDigest, policy } = verdict
    const certificate = { ...contentOf(verdict), evidenceDigest, policy }
    const evidence = seenIn(verdict)
    return { ...told, verdict: 'issue', certificate, wouldDeny: verdict.wouldDeny, evidence }
  }
  if (verdict.kind === 'wait') return { ...told, verdict: 'wait', why: verdict.why }
  return { ...told, verdict: 'deny', reason: verdict.reason, fields: verdict.fields }
}

/** The versions at which the evidence was read. */
function seenIn({ evidence }: IssueVerdict): Readonly<Record<string, string>> {
  const { live: _, ...members } = evidence
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, found]) =>
      found.state === 'found' && found.seen?.resourceVersion !== undefined
        ? [[name, found.seen.resourceVersion]]
        : [],
    ),
  )
}

function format({ heading, verdict, answered }: Row): string {
  const lines = [heading]
  if (answered !== undefined) lines.push(`  answered already: ${answered}`)
  if (verdict.kind === 'issue') {
    const { wouldDeny } = verdict
    const without = `, with a warning: an enforced namespace is denied it, ${wouldDeny?.reason}`
    lines.push(`  would be issued${wouldDeny === undefined ? '' : without}`)
  }
  if (verdict.kind === 'deny') lines.push(`  would be denied: ${verdict.reason}`)
  if (verdict.kind === 'wait') lines.push(`  would wait: ${verdict.why}`)
  const fields = verdict.findings.filter(({ kind }) => kind !== 'refused')
  for (const finding of fields) {
    if (finding.kind === 'proved') {
      lines.push(`    ${finding.field.padEnd(22)}${finding.value}, by ${finding.by}`)
    } else if (finding.kind === 'noted')
      lines.push(`    ${finding.field.padEnd(22)}${finding.note}`)
    else if (finding.kind === 'undecided')
      lines.push(`  ? ${finding.field.padEnd(22)}${finding.why}`)
  }
  // What a request itself proves against it comes before any check.
  for (const { field, asked, proved, change } of refusedFields(verdict)) {
    lines.push(`  ! ${field.padEnd(22)}asked: ${asked}`)
    lines.push(`    ${''.padEnd(22)}proved: ${proved}`)
    lines.push(`    ${''.padEnd(22)}fix: ${change}`)
  }
  if (verdict.kind === 'issue') lines.push(...contentLines(contentOf(verdict)))
  return `${lines.join('\n')}\n`
}

function refusedFields(verdict: Verdict): readonly FieldRefusal[] {
  if (verdict.kind === 'deny') return verdict.fields
  return (verdict.kind === 'issue' && verdict.wouldDeny?.fields) || []
}

function contentLines(content: object): readonly string[] {
  return [
    '  the certificate:',
    ...Object.entries(content).map(([name, value]) => {
      const text = Array.isArray(value) ? value.join(', ') : String(value ?? '')
      return `    ${name.padEnd(22)}${text === '' ? 'none' : text}`
    }),
  ]
}
