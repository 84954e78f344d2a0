import { hash } from 'node:crypto'
import type { CaCertificate } from '../../pki/ca-certificate.ts'

/**
 * On the published bundle: the sequence number of what it holds, and the SHA-256 of that, `<number> <hex>`. It is written with the anchors, in
 * one request, so that all replicas give a content the same number (SPIFFE Trust Domain and Bundle §4.1.1).
 */
export const bundleSequenceAnnotation = 'countersign.dev/bundle-sequence'

/** Anchors as they are published, with the sequence number that all replicas give them. */
export interface CountedAnchors {
  readonly anchors: readonly CaCertificate[]
  readonly sequence: bigint
  /** When that was so, in milliseconds of a clock that only goes forward. */
  readonly seenAt: number
}

/** What was seen longer ago may have been withdrawn since; a publisher looks every few seconds. */
const seenSecondsMax = 300

/** Undefined where it was seen too long ago. */
export function whileSeen(
  counted: CountedAnchors | undefined,
  now: number,
): CountedAnchors | undefined {
  return counted !== undefined && now - counted.seenAt <= seenSecondsMax * 1000
    ? counted
    : undefined
}

/** The anchors of a content with its number; undefined where the content was written by somebody who does not count. */
export function countAnchors(
  anchors: readonly CaCertificate[],
  seen: {
    readonly trustBundle: string
    readonly annotation: string | undefined
    readonly seenAt: number
  },
): CountedAnchors | undefined {
  const { trustBundle, annotation, seenAt } = seen
  const said = parse(annotation)
  if (said?.sha256 !== hash('sha256', trustBundle)) return undefined
  return { anchors, sequence: said.sequence, seenAt }
}

/**
 * What to write with a content that is new: a number above the one before. It is no lower than the seconds of the clock, so that it rises
 * when the bundle was deleted, and its number with it.
 */
export function nextSequence(
  trustBundle: string,
  options: { readonly before: string | undefined; readonly now: number },
): string {
  const { before, now } = options
  const seconds = BigInt(Math.floor(now / 1000))
  const after = (parse(before)?.sequence ?? 0n) + 1n
  return `${after > seconds ? after : seconds} ${hash('sha256', trustBundle)}`
}

function parse(
  annotation = '',
): { readonly sequence: bigint; readonly sha256: string } | undefined {
  const [, sequence, sha256] = /^(\d{1,19}) ([0-9a-f]{64})$/.exec(annotation) ?? []
  if (sequence === undefined || sha256 === undefined) return undefined
  return { sequence: BigInt(sequence), sha256 }
}
