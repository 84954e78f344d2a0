import { CountersignError, quoted } from '../../errors.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { approveRequest } from '../../signer/preview/approve-request.ts'
import { askedOfPod } from '../../signer/preview/asked-of-pod.ts'
import { judgePod, judgeRequest, readKeyOwners, type Judge } from '../../signer/preview/judge.ts'
import { contentOf } from '../../signer/preview/preview.ts'
import { indexSnapshot, nameOf } from '../../signer/preview/snapshot.ts'
import { requesterOfStated } from '../../signer/verdict/stated-requester.ts'
import type { FieldRefusal, IssueVerdict, Verdict } from '../../signer/verdict/verdict.ts'
import { readConfiguration } from '../configuration.ts'
import { requiredFile } from '../required-file.ts'
import { Refused } from '../run-program.ts'
import { signerSchema, type SignerConfig } from '../signer/signer-configuration.ts'
import type { Terminal } from '../terminal.ts'
import { findAsked, notThere, type Asked } from './find-asked.ts'
import { openJudge, requesterOf } from './judging.ts'
import { openClient } from './open-client.ts'
import { printableName } from './policy/printable.ts'

export interface EvaluateOptions {
  readonly config?: string
  readonly kubeconfig?: string
  readonly objects?: readonly string[]
  readonly json?: boolean
  readonly approve?: boolean
}

/** Says what the signer would say of a request, or of all that a pod's volumes ask for, and why. Throws `Refused` unless all would be issued. */
export async function runEvaluate(
  what: string,
  options: EvaluateOptions,
  terminal: Terminal,
  now: () => number = Date.now,
): Promise<void> {
  if (options.approve === true && (!what.startsWith('csr/') || options.objects !== undefined)) {
    throw new CountersignError('cli/usage', '--approve: want=csr/<name> of a cluster')
  }
  const config = await readConfiguration(requiredFile(options.config, 'evaluate'), signerSchema)
  const asked = await findAsked(what, config, { ...options, signal: terminal.signal })
  const next = await requesterOf(config, () => Promise.resolve(asked.protection))
  // Whether the policy was in force when a request was made is known to the signer alone.
  const ofRequest = next === 'shown' ? 'unknown' : next
  const requester =
    asked.request === undefined ? next : (requesterOfStated(asked.request) ?? ofRequest)
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
  if (options.approve === true) await approve(asked, rows, { config, options, terminal, now })
}

/** As whoever runs this, who is another than the signer. */
async function approve(
  { request }: Asked,
  [row]: readonly Row[],
  o: {
    readonly config: SignerConfig
    readonly options: EvaluateOptions
    readonly terminal: Terminal
    readonly now: () => number
  },
): Promise<void> {
  if (request === undefined || row?.verdict.kind !== 'issue') return
  const { config, options, terminal, now } = o
  const { verdict } = row
  const client = openClient(options.kubeconfig ?? config.kubeconfig, 'evaluate')
  try {
    const { signal } = terminal
    terminal.err(`${await approveRequest(client, request, { verdict, now: now(), signal })}\n`)
  } finally {
    client.close()
  }
}

/** Whose a key is, where the ledger can be read from here. */
async function keyOwners(
  config: SignerConfig,
  now: () => number,
): Promise<Pick<Judge, 'ownerOf' | 'requestOf'>> {
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
  /** Nobody has approved it yet, and the signer waits until somebody has. */
  readonly unapproved?: true
}

function judgeAll(asked: Asked, config: SignerConfig, judge: Judge): readonly Row[] {
  const index = indexSnapshot(asked.snapshot)
  if (asked.request !== undefined) return [judgeAsked(asked.request, { config, index, judge })]
  const name = asked.pod ?? ''
  const pod = index.pods.get(name)
  if (pod === undefined) throw notThere({ kind: 'pod', name })
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

function judgeAsked(
  request: PodCertificateRequest,
  {
    config,
    index,
    judge,
  }: {
    readonly config: SignerConfig
    readonly index: ReturnType<typeof indexSnapshot>
    readonly judge: Judge
  },
): Row {
  const { metadata, spec, status, stated } = request
  if (spec.signerName !== config.signerName) {
    const message = `request of signer ${quoted(spec.signerName)}, want=${config.signerName}`
    throw new CountersignError('cli/usage', message)
  }
  const verdict = judgeRequest(request, index, judge)
  const answered = status.terminal?.condition
  const told = answered === undefined ? {} : { answered }
  if (stated === undefined) {
    const [name, pod] = [nameOf(request), spec.pod.name].map(printableName)
    return { heading: `request ${name} of pod ${pod}`, verdict, ...told }
  }
  const { approve, issuedCertificates: agent } = answersOf(config)
  const { namespace } = metadata
  if (namespace === agent?.namespace && spec.serviceAccount.name === agent.serviceAccount) {
    const message = `csr/${printableName(metadata.name)} is asked by the agent, want=a request of a pod for itself`
    const hint = 'what became of an IssuedCertificate stands in its status'
    throw new CountersignError('cli/usage', message, { hint })
  }
  const of = stated.isPod ? `pod ${namespace}/${spec.pod.name}` : quoted(stated.username, 253)
  const isWaiting = answered === undefined && !stated.isApproved && !approve
  const heading = `request csr/${printableName(metadata.name)} of ${of}`
  return { heading, verdict, ...told, ...(isWaiting && { unapproved: true }) }
}

/** How the signer answers CertificateSigningRequests. */
function answersOf({
  certificateSigningRequests: answers,
}: SignerConfig): NonNullable<SignerConfig['certificateSigningRequests']> {
  if (answers !== undefined) return answers
  const hint = 'set certificateSigningRequests in the configuration of the signer'
  const message = 'this signer answers no CertificateSigningRequests'
  throw new CountersignError('cli/usage', message, { hint })
}

function document({ heading, verdict, answered, unapproved }: Row): object {
  const { findings } = verdict
  const told = {
    of: heading,
    ...(answered !== undefined && { answered }),
    ...(unapproved && { unapproved }),
    findings,
  }
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

function format({ heading, verdict, answered, unapproved }: Row): string {
  const lines = [heading]
  if (unapproved) lines.push('  not approved yet: the signer waits for that')
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
