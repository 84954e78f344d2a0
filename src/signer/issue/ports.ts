import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { StatusPatch } from '../verdict/condition.ts'
import type { Evidence } from '../verdict/evidence.ts'
import type { IssueVerdict } from '../verdict/verdict.ts'

/** What became of one write of a status (the error table of the API server's rules). */
export type PublishAnswer =
  | { readonly kind: 'written' }
  /** Somebody was faster, the object is another one, or it is terminal: only reading can tell. */
  | { readonly kind: 'conflict'; readonly status: number; readonly detail: string }
  /** The request is gone: cleaned up, or deleted with its pod. */
  | { readonly kind: 'gone'; readonly status: number; readonly detail: string }
  /** We lack a right. Not the pod's fault: the request stays pending, somebody is told. */
  | { readonly kind: 'not-permitted'; readonly status: number; readonly detail: string }
  /** notBefore is too far from the API server's clock: a late write, or a skewed clock. */
  | { readonly kind: 'stale'; readonly status: number; readonly detail: string }
  /** A rule of the API server that we broke: our defect, never the pod's. */
  | { readonly kind: 'rejected'; readonly status: number; readonly detail: string }
  /** Nobody can write it here, now or later: the request stays as it is until others change or remove it. */
  | { readonly kind: 'left'; readonly status: undefined; readonly detail: string }
  /** No answer, or one that does not say: it may have been written. */
  | { readonly kind: 'unknown'; readonly status: number | undefined; readonly detail: string }

/** Nothing is known to be written. */
export type UnwrittenAnswer = Exclude<PublishAnswer, { readonly kind: 'written' }>

/** Whether a request may be signed. */
export type Approval =
  /** As it is now. */
  | { readonly kind: 'approved'; readonly request: PodCertificateRequest }
  /** Others approve. */
  | { readonly kind: 'awaited'; readonly why: string }
  | UnwrittenAnswer

/** What is told to the people of the pod. */
export interface PodEvent {
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string }
  readonly type: 'Normal' | 'Warning'
  readonly reason:
    'CertificateIssued' | 'CertificateWouldBeDenied' | 'CertificateDenied' | 'CertificatePending'
  readonly message: string
}

/** What the life of a request needs of the cluster. Only an abort of the signal, or a lost connection, may reject. */
export interface IssuancePorts {
  /** With `live` every object is read from the API server; what cannot be read is `unknown` in the evidence. */
  gather(
    asked: PodCertificateRequest,
    options: { readonly live: boolean; readonly signal: AbortSignal },
  ): Promise<Evidence>
  /** What does not hold any more of the evidence behind a verdict, as far as is known without asking; undefined: nothing. */
  changed(verdict: IssueVerdict): string | undefined
  /** The same of what an agent asks for, of which nothing is followed: asked of the API server. */
  undeclared?(verdict: IssueVerdict, signal: AbortSignal): Promise<string | undefined>
  /** The request under this very UID as it is now; undefined when it is gone. Rejects when nobody can tell. */
  read(
    request: { readonly namespace: string; readonly name: string; readonly uid: string },
    signal: AbortSignal,
  ): Promise<PodCertificateRequest | undefined>
  /** Of requests that are signed only where they are approved. */
  approve?(
    target: PodCertificateRequest,
    verdict: IssueVerdict,
    signal: AbortSignal,
  ): Promise<Approval>
  /** Writes the status of that very state of the request. */
  publish(
    target: PodCertificateRequest,
    status: StatusPatch,
    signal: AbortSignal,
  ): Promise<PublishAnswer>
  /** Never rejects, never waits: an event is never worth a retry. */
  emitEvent(event: PodEvent): void
}
