import type { CredentialSource } from './credential-source.ts'

/** What is known of a credential that was verified. */
export interface Accepted {
  /** Whose it is. */
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
}

/** The credential in force. */
export interface Held extends Accepted {
  readonly credentialBundle: string
  readonly trustBundle: string
  readonly source: CredentialSource
  /** Of its source: 0 is the one to use. */
  readonly rank: number
  /** Milliseconds since the epoch. */
  readonly renewAt: number
}

/** Whether it is good for more than the last tenth of its life: until then whoever renews it has time, and nobody stands in. */
export function lastsAt({ notBefore, notAfter }: Accepted, now: number): boolean {
  const life = notAfter.getTime() - notBefore.getTime()
  return now < notAfter.getTime() - life / 10
}

/** Whether one takes the place of another: of its own source always, of another one where it stands before it, and never to end sooner. */
export function replaces(next: Held, held: Held | undefined, now: number): boolean {
  if (held === undefined || now >= held.notAfter.getTime() || next.rank === held.rank) return true
  if (lastsAt(next, now) !== lastsAt(held, now)) return lastsAt(next, now)
  return lastsAt(next, now) ? next.rank < held.rank : next.notAfter > held.notAfter
}
