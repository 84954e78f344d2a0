/**
 * On the Secret of a requested CA: how often in a row none was issued, and when that was last, `<number> <RFC 3339>`. It is written as the
 * request is forgotten, so that whoever starts anew, or takes over the Lease, does not ask at once again and again.
 */
export const refusedAnnotation = 'countersign.dev/ca-requests-refused'

/** What a person has to approve may take a while; an answer that is no is not asked for again at once. */
export const answerBackoff = { baseSeconds: 60, maxSeconds: 3600 } as const

type Annotations = Readonly<Record<string, string>>

/** What is to be written when there was none once more. */
export function onceMoreRefused(annotations: Annotations, now: number): string {
  const times = Math.min((parse(annotations)?.times ?? 0) + 1, timesMax)
  return `${times} ${new Date(now).toISOString()}`
}

/**
 * Before then nobody asks: the shortest that somebody waits who has seen the answer. Undefined where there was none. A time that is still to
 * come is of a clock that was wrong.
 */
export function askedAnewAt(annotations: Annotations, now: number): number | undefined {
  const said = parse(annotations)
  if (said === undefined || said.at > now) return undefined
  const { baseSeconds, maxSeconds } = answerBackoff
  const seconds = Math.min(maxSeconds, baseSeconds * 2 ** (said.times - 1)) / 2
  return said.at + seconds * 1000
}

/** More make no longer wait. */
const timesMax = 99

function parse(
  annotations: Annotations,
): { readonly times: number; readonly at: number } | undefined {
  const [, times, time = ''] =
    /^(\d{1,2}) ([0-9TZ:.-]{20,24})$/.exec(annotations[refusedAnnotation] ?? '') ?? []
  const at = Date.parse(time)
  return times === undefined || times === '0' || Number.isNaN(at)
    ? undefined
    : { times: Number(times), at }
}
