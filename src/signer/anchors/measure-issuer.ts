import type { Metrics } from '../../metrics.ts'
import type { AuthoritySource } from '../../pki/authority.ts'

/** The issuer's own end is told early and often: everything stops with it. */
export function measureIssuer(options: {
  readonly authorities: AuthoritySource
  readonly metrics: Metrics
  readonly now: () => number
}): Disposable {
  const { authorities, metrics, now } = options
  const measure = (): void => {
    try {
      const seconds = (authorities.current().notAfter.getTime() - now()) / 1000
      metrics.set('countersign_issuer_expiry_seconds', seconds)
    } catch {
      metrics.set('countersign_issuer_expiry_seconds', 0)
    }
  }
  measure()
  const timer = setInterval(measure, 60_000).unref()
  const stopListening = authorities.onChange(measure)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      stopListening()
    },
  }
}
