import { isDeepStrictEqual } from 'node:util'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import {
  answerCertificateSigningRequest,
  certificateSigningRequests,
  judgeCertificateSigningRequest,
} from '../../kubernetes/certificate-signing-request.ts'
import { issuedCertificates } from '../../kubernetes/issued-certificate.ts'
import { readObject } from '../../kubernetes/objects.ts'
import type {
  AgentAccount,
  PodCertificateRequest,
} from '../../kubernetes/pod-certificate-request.ts'
import type { Approval, IssuancePorts, PublishAnswer } from '../issue/ports.ts'
import {
  approvalMessage,
  cutToOctets,
  judgementOctetsMax,
  wholeSeconds,
} from '../verdict/condition.ts'
import type { IssueVerdict } from '../verdict/verdict.ts'
import { askedByAgent } from './asked-by-agent.ts'
import { issuedCertificateEvidence } from './facts.ts'
import { writeAnswer } from './cluster-ports.ts'

interface Judgement {
  readonly type: 'Approved' | 'Denied'
  readonly reason: string
  readonly message: string
}

type Judge = (
  target: PodCertificateRequest,
  condition: Judgement,
  signal: AbortSignal,
) => Promise<PodCertificateRequest>

/** The life of a CertificateSigningRequest: what is written of it goes elsewhere, and all that proves it is gathered as ever. */
export function signingRequestPorts(options: {
  readonly client: ApiClient
  readonly ports: Pick<IssuancePorts, 'gather' | 'changed' | 'emitEvent'>
  /** Whether this program approves what is proved; else others do, and it signs what they have approved. */
  readonly approve: boolean
  /** Who may ask for IssuedCertificates; nobody when absent. */
  readonly agent?: AgentAccount | undefined
  readonly now: () => number
}): IssuancePorts {
  const { client, ports, agent, now } = options
  const judge: Judge = (target, condition, signal) =>
    judged(client, { target, condition, agent, now: now(), signal })
  return {
    gather: (asked, how) => ports.gather(asked, how),
    changed: (verdict) => ports.changed(verdict),
    undeclared: (verdict, signal) => undeclared(client, verdict, signal),
    async read({ name, uid }, signal) {
      const found = await readObject(client, certificateSigningRequests, { name, signal })
      return found?.metadata.uid === uid ? askedByAgent(found, agent) : undefined
    },
    async approve(target, verdict, signal): Promise<Approval> {
      if (target.stated?.isApproved === true) return { kind: 'approved', request: target }
      if (!options.approve) return { kind: 'awaited', why: 'it is not approved yet' }
      return writeAnswer(signal, async () => {
        const request = await judge(target, approvalOf(verdict), signal)
        return { kind: 'approved', request } as const
      })
    },
    publish(target, status, signal): Promise<PublishAnswer> {
      const [{ type, reason, message }] = status.conditions
      const isApproved = target.stated?.isApproved === true
      if (type === 'Denied') {
        const untaken = untakenDenial(isApproved, options.approve)
        if (untaken !== undefined) return Promise.resolve(untaken)
        return writeAnswer(signal, async () => {
          await judge(target, { type, reason, message }, signal)
          return { kind: 'written' } as const
        })
      }
      const { certificateChain = '' } = status
      // The API server would take it.
      if (!isApproved) return Promise.resolve(rejected('it is not approved'))
      const { metadata } = target
      return writeAnswer(signal, async () => {
        await answerCertificateSigningRequest(client, { metadata, certificateChain, signal })
        return { kind: 'written' } as const
      })
    },
    emitEvent(event) {
      // Who is no pod has none to tell it to.
      if (event.pod.name !== '') ports.emitEvent(event)
    },
  }
}

/** Why the IssuedCertificate that was evaluated declares it no more: no copy of these is kept that would tell. */
async function undeclared(
  client: ApiClient,
  { claims, evidence }: Pick<IssueVerdict, 'claims' | 'evidence'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { stated, metadata } = claims.asked
  if (stated?.issued === undefined || evidence.issued?.state !== 'found') return undefined
  const { namespace } = metadata
  const { name } = stated.issued
  try {
    const found = await readObject(client, issuedCertificates, { namespace, name, signal })
    const isSame =
      found && isDeepStrictEqual(issuedCertificateEvidence(found), evidence.issued.object)
    return isSame === true ? undefined : 'the IssuedCertificate has changed since it was read'
  } catch {
    // The intent is recorded by now, and is to be concluded.
    return 'the IssuedCertificate cannot be read again'
  }
}

/** Approves what was proved, as whose client it is; the signer proves it again before it signs. Throws `ApiError`. */
export async function approveProved(
  client: ApiClient,
  options: {
    readonly target: PodCertificateRequest
    readonly verdict: IssueVerdict
    /** Milliseconds. */
    readonly now: number
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { verdict, ...rest } = options
  await judged(client, { ...rest, condition: approvalOf(verdict), agent: undefined })
}

function approvalOf(verdict: IssueVerdict): Judgement {
  return { type: 'Approved', reason: 'EvidenceProved', message: approvalMessage(verdict) }
}

async function judged(
  client: ApiClient,
  options: {
    readonly target: PodCertificateRequest
    readonly condition: Judgement
    readonly agent: AgentAccount | undefined
    /** Milliseconds. */
    readonly now: number
    readonly signal: AbortSignal
  },
): Promise<PodCertificateRequest> {
  const { target, condition, agent, now, signal } = options
  const { metadata, stated } = target
  const time = wholeSeconds(new Date(now))
  const message = cutToOctets(condition.message, judgementOctetsMax)
  const conditions = stated?.conditions ?? []
  const written = await judgeCertificateSigningRequest(client, {
    metadata,
    conditions,
    condition: { ...condition, message, time },
    signal,
  })
  return askedByAgent(written, agent)
}

/** Why a denial cannot be written: an approval stands for ever, and without the right to approve there is none to deny. */
function untakenDenial(isApproved: boolean, approves: boolean): PublishAnswer | undefined {
  if (isApproved) return left('it is approved, and nobody can take that back')
  return approves ? undefined : left('its approver has to deny it')
}

function left(detail: string): PublishAnswer {
  return { kind: 'left', status: undefined, detail }
}

function rejected(detail: string): Extract<PublishAnswer, { readonly kind: 'rejected' }> {
  return { kind: 'rejected', status: 0, detail }
}
