import type { Metrics } from '../../metrics.ts'
import type { AuthoritySource, Rotation } from '../../pki/authority.ts'

const name = 'countersign_signer_authority_state'

/** The issuer's own end is told early and often, because everything stops with it; and how far a rotation has come. */
export function measureIssuer(options: {
  readonly authorities: Pick<AuthoritySource, 'current' | 'onChange'> & {
    readonly rotation?: Pick<Rotation, 'states'> | undefined
  }
  readonly metrics: Metrics
  readonly now: () => number
}): Disposable {
  const { authorities, metrics, now } = options
  let told: ReadonlyMap<string, string> = new Map()
  const measure = (): void => {
    const states = authorities.rotation?.states() ?? new Map<string, string>()
    for (const [authority, state] of told) {
      if (states.get(authority) !== state) metrics.remove(name, { authority, state })
    }
    for (const [authority, state] of states) metrics.set(name, 1, { authority, state })
    told = states
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
