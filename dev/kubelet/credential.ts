import type { KeyObject } from 'node:crypto'
import type { PodCertificateRequest } from '../../src/kubernetes/pod-certificate-request.ts'
import { formatPem, parsePem } from '../pem.ts'

/** A request that is under way, and the key that it is for. */
export interface Pending {
  readonly privateKey: KeyObject
  readonly requestName: string
  /** Not seen by then, it is taken for deleted, and another is made. */
  readonly abandonAt: number
}

export interface Material {
  readonly privateKey: KeyObject
  /** PEM, as kubelet writes it: certificates alone, in the signer's order. */
  readonly chain: string
  readonly beginRefreshAt: number
  readonly notAfter: number
}

/**
 * Where one `podCertificate` source of one pod stands:
 * initial → wait → fresh ⇄ waitrefresh, and from both waits to denied or failed, which have no exit.
 */
export type CredentialState =
  | { readonly kind: 'initial' }
  | { readonly kind: 'wait'; readonly pending: Pending }
  | { readonly kind: 'fresh'; readonly material: Material }
  | { readonly kind: 'waitrefresh'; readonly material: Material; readonly pending: Pending }
  | {
      readonly kind: 'refused'
      readonly outcome: 'denied' | 'failed'
      readonly reason: string
      readonly message: string
    }

const assumeDeletedMilliseconds = 10 * 60_000
const jitterMilliseconds = 5 * 60_000

/** 0 to 5 minutes, so that the sources of a cluster do not ask all at once. */
export function jitter(random: () => number): number {
  return Math.floor(random() * jitterMilliseconds)
}

export function pendingOf(options: {
  readonly privateKey: KeyObject
  readonly request: PodCertificateRequest
  readonly random: () => number
}): Pending {
  const { privateKey, request, random } = options
  const createdAt = request.metadata.creationTimestamp?.getTime() ?? 0
  return {
    privateKey,
    requestName: request.metadata.name,
    abandonAt: createdAt + assumeDeletedMilliseconds + jitter(random),
  }
}

/** Whether it is time to make a request: the first one, or one to refresh what there is. */
export function isDue(state: CredentialState, now: number): boolean {
  if (state.kind === 'initial') return true
  return state.kind === 'fresh' && now >= state.material.beginRefreshAt
}

/** The state after a new request was made. */
export function afterRequest(state: CredentialState, pending: Pending): CredentialState {
  return state.kind === 'fresh'
    ? { kind: 'waitrefresh', material: state.material, pending }
    : { kind: 'wait', pending }
}

/** The state after a look at the request; the same one as long as nothing is decided. */
export function afterLook(
  state: CredentialState,
  request: PodCertificateRequest | undefined,
  clock: { readonly now: number; readonly random: () => number },
): CredentialState {
  if (state.kind !== 'wait' && state.kind !== 'waitrefresh') return state
  if (request === undefined) {
    // It may only be late; after a while it is taken for deleted.
    if (clock.now <= state.pending.abandonAt) return state
    return state.kind === 'wait' ? { kind: 'initial' } : { kind: 'fresh', material: state.material }
  }
  for (const { type, reason, message } of request.status.conditions) {
    if (type === 'Denied') return { kind: 'refused', outcome: 'denied', reason, message }
    if (type === 'Failed') return { kind: 'refused', outcome: 'failed', reason, message }
    if (type === 'Issued')
      return { kind: 'fresh', material: materialOf(state.pending, request, clock.random) }
  }
  return state
}

function materialOf(
  { privateKey }: Pending,
  { status }: PodCertificateRequest,
  random: () => number,
): Material {
  const blocks = parsePem(status.certificateChain)
  return {
    privateKey,
    // Text between blocks and PEM headers are not handed on.
    chain: blocks.map(({ der }) => formatPem('CERTIFICATE', der)).join(''),
    beginRefreshAt: (status.beginRefreshAt?.getTime() ?? 0) + jitter(random),
    notAfter: status.notAfter?.getTime() ?? 0,
  }
}

/** What goes into the volume, or why nothing can. A pod that was refused on a refresh keeps its old files. */
export function filesOf(
  state: CredentialState,
): { readonly key: string; readonly chain: string } | { readonly problem: string } {
  if (state.kind === 'initial' || state.kind === 'wait') {
    return { problem: 'credential bundle is not issued yet' }
  }
  if (state.kind === 'refused') {
    const { outcome, reason, message } = state
    const why = `reason=${JSON.stringify(reason)} message=${JSON.stringify(message)}`
    return { problem: `PodCertificateRequest was permanently ${outcome}: ${why}` }
  }
  const { privateKey, chain } = state.material
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), chain }
}
