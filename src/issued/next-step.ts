import { cut } from '../errors.ts'
import type {
  IssuedCertificate,
  IssuedCertificateStatus,
} from '../kubernetes/issued-certificate.ts'
import type { Metadata } from '../kubernetes/resource.ts'
import type { BounceSeen, Chosen } from './bounce.ts'
import type { Kept } from './kept.ts'
import type { RevokedSeen } from './revoked.ts'
import { askedOf, requestNameOf } from './kept.ts'

export type Told = IssuedCertificateStatus & { readonly state: State }

export type State = 'Pending' | 'Requested' | 'Issued' | 'Finished' | 'Failed'

/** A request for the key that is pending, as the API server has it. */
export type RequestSeen =
  | { readonly kind: 'absent' }
  /** Another one stands under its name. */
  | { readonly kind: 'other' }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'refused'; readonly why: string }
  /** `problem`: why what was issued is not taken. */
  | { readonly kind: 'issued'; readonly chainPem: string; readonly problem?: string }

/** The credential in the Secret, if these anchors vouch for it now. */
export interface Held {
  readonly notAfter: Date
  /** Milliseconds since the epoch. */
  readonly renewAt: number
}

/** Everything that was seen, of one look. */
export interface Seen {
  readonly certificate: IssuedCertificate
  readonly kept: Kept | 'foreign'
  /** Where a key is pending. */
  readonly request: RequestSeen | undefined
  readonly held: Held | undefined
  /** Why nothing can be asked for, whatever is in the Secret. */
  readonly problem: string | undefined
  /** What ends what the Secret has; undefined where nothing does. */
  readonly revocation: RevokedSeen | undefined
  /** Whether other anchors are published by now than the Secret has. */
  readonly hasOtherAnchors: boolean
  /** What is to be done with the pods that are to be restarted; undefined where none are. */
  readonly bounce: BounceSeen | undefined
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** One change, or what is waited for. Each leaves behind what the next look goes on from, wherever it is cut short. */
export type Step =
  | { readonly kind: 'tell'; readonly status: Told }
  | {
      readonly kind:
        'make-key' | 'send' | 'take' | 'write-anchors' | 'forget' | 'end' | 'end-bounce'
    }
  | { readonly kind: 'choose'; readonly chosen: readonly Chosen[] }
  /** `told`: with what is told where it is refused. */
  | { readonly kind: 'evict'; readonly pod: Metadata; readonly told: Told }
  /** Nobody answers yet, or a pod is not ready. `late`: what is told after a while. */
  | { readonly kind: 'await'; readonly late?: Told }
  /** Asked again with a new key, after a while. */
  | { readonly kind: 'retry' }
  | { readonly kind: 'rest'; readonly until: number | undefined }

/**
 * What is to be done next for an IssuedCertificate. A state is told of what was seen, never of what is about to be done; and none is left
 * out, so that what follows it has begun after it was told.
 */
export function nextStep(seen: Seen): Step {
  const { certificate, kept, held, problem } = seen
  const failed = (error: string): Step | undefined => untold(seen, { state: 'Failed', error })
  if (kept === 'foreign') {
    const { issuedCertificateSecret: name } = certificate.spec
    const error = `issuedCertificateSecret: Secret ${name} is there and was not made for this resource, want=another name`
    return failed(error) ?? { kind: 'rest', until: undefined }
  }
  if (seen.revocation?.kind === 'unknown') return { kind: 'await' }
  if (seen.revocation !== undefined) {
    // The key goes first: what is told of is so.
    if (kept.current !== undefined || kept.pending !== undefined) return { kind: 'end' }
    const { by } = seen.revocation
    return failed(`revoked: by the Revocation ${by}`) ?? { kind: 'rest', until: undefined }
  }
  if (problem !== undefined) return failed(problem) ?? { kind: 'rest', until: undefined }
  if (kept.pending !== undefined) return pendingStep(seen, kept.pending)
  if (held !== undefined && kept.current?.asked === askedOf(certificate)) {
    // What was taken is told of before another one is asked for, however late that is.
    const { state } = certificate.status
    const isToBeTold = state === 'Requested' || (state === 'Issued' && seen.bounce === undefined)
    if (seen.now < held.renewAt || isToBeTold) return heldStep(seen, held)
  }
  return untold(seen, { state: 'Pending' }) ?? { kind: 'make-key' }
}

function pendingStep(seen: Seen, pending: NonNullable<Kept['pending']>): Step {
  const { certificate, request = { kind: 'absent' } } = seen
  const name = requestNameOf(pending)
  // Nothing will ever be issued for what was asked before, or for what is no key.
  if (name === undefined || pending.asked !== askedOf(certificate)) return { kind: 'forget' }
  const requested = { state: 'Requested', request: name } as const
  const { status } = certificate
  const refused = (error: string): Step =>
    untold(seen, { state: 'Failed', error }) ?? { kind: 'retry' }
  switch (request.kind) {
    case 'absent':
      // It was there, and is gone: nobody answers to a name that is dead.
      if (status.state === 'Requested' && status.request === name) return { kind: 'forget' }
      return untold(seen, { state: 'Pending' }) ?? { kind: 'send' }
    case 'waiting':
      return untold(seen, requested) ?? { kind: 'await' }
    case 'refused':
      return refused(request.why)
    case 'issued':
      if (request.problem !== undefined) return refused(request.problem)
      return untold(seen, requested) ?? { kind: 'take' }
    case 'other':
    default:
      return { kind: 'forget' }
  }
}

function heldStep(seen: Seen, held: Held): Step {
  const { bounce, certificate } = seen
  const { status } = certificate
  const times = {
    notAfter: wholeSeconds(held.notAfter.getTime()),
    renewAt: wholeSeconds(held.renewAt),
  }
  const isTold =
    ['Issued', 'Finished'].includes(status.state ?? '') && status.notAfter === times.notAfter
  if (!isTold || bounce !== undefined) {
    const issued = untold(seen, { state: 'Issued', ...times, ...bounceTold(seen) })
    if (issued !== undefined) return issued
  }
  if (seen.hasOtherAnchors) return { kind: 'write-anchors' }
  if (bounce !== undefined) return bounceStep(seen, bounce, held)
  return untold(seen, { state: 'Finished', ...times }) ?? { kind: 'rest', until: held.renewAt }
}

function bounceStep({ certificate }: Seen, bounce: BounceSeen, held: Held): Step {
  const told: Told = { ...certificate.status, state: 'Issued' }
  switch (bounce.kind) {
    case 'choose':
      return bounce
    case 'evict':
      return { kind: 'evict', pod: bounce.pod, told }
    case 'wait':
      return { kind: 'await', late: { ...told, error: errorText(`podsToBounce: ${bounce.why}`) } }
    case 'stuck':
      return { kind: 'rest', until: held.renewAt }
    case 'over':
    default:
      return { kind: 'end-bounce' }
  }
}

/** What kept a pod from being restarted is told until another one is, so that it does not come and go with every attempt. */
function bounceTold({
  bounce,
  certificate: { status },
}: Seen): Pick<IssuedCertificateStatus, 'error' | 'podsLeft'> {
  if (bounce === undefined || bounce.kind === 'choose') return {}
  const podsLeft = (bounce.kind === 'over' ? undefined : bounce.left) ?? status.podsLeft
  const isSame = status.state === 'Issued' && status.podsLeft === podsLeft
  const error = bounce.kind === 'stuck' ? bounce.why : isSame ? status.error : undefined
  return {
    ...(error === undefined ? {} : { error }),
    ...(podsLeft === undefined ? {} : { podsLeft }),
  }
}

/** The step that tells it; undefined where it stands there already. */
function untold(
  { certificate: { generation, status } }: Seen,
  wanted: Omit<IssuedCertificateStatus, 'observedGeneration'> & { readonly state: State },
): Step | undefined {
  const { error } = wanted
  const told = error === undefined ? {} : { error: errorText(error) }
  const next = { observedGeneration: generation, ...wanted, ...told }
  if (statusNames.every((name) => status[name] === next[name])) return undefined
  return { kind: 'tell', status: next }
}

const statusNames = [
  'observedGeneration',
  'state',
  'error',
  'request',
  'notAfter',
  'renewAt',
  'podsLeft',
] as const

/** With what `cut` sets behind it. */
const errorCharactersMax = 2047

/** As it will stand there: a text that is kept as another one, or refused for its length, would be told again and again. */
export function errorText(text: string): string {
  return cut(text, errorCharactersMax).toWellFormed()
}

function wholeSeconds(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}
