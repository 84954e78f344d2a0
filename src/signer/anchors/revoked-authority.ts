import { CountersignError } from '../../errors.ts'
import { createListeners } from '../../listeners.ts'
import type { Authority, AuthoritySource, Rotation } from '../../pki/authority.ts'
import type { CaCertificate } from '../../pki/ca-certificate.ts'
import { revocableCa, type RevocationSource } from '../../pki/revocation.ts'

/** As a gateway counts: what is known for longer ago is not known. */
const staleSecondsMax = 60

/**
 * The same source, but that a CA which a Revocation takes signs nothing from then on, nor does any while it is not known what is revoked. Its
 * anchor stays: others are below it.
 */
export function withoutRevoked(
  source: AuthoritySource & AsyncDisposable,
  revocations: RevocationSource,
): AuthoritySource & AsyncDisposable {
  const listeners = createListeners()
  const stops = [source.onChange(listeners.tell), revocations.onChange(listeners.tell)]
  return {
    current() {
      const authority = source.current()
      if (revocations.staleSeconds > staleSecondsMax) {
        throw unavailable('it is not known whether the authority is revoked')
      }
      const by = revocationOf(authority.path, revocations)
      if (by === undefined) return authority
      throw unavailable(`authority is revoked, by the Revocation ${by}`)
    },
    anchors: () => source.anchors(),
    get rotation() {
      return source.rotation && withoutRevokedOnes(source.rotation, revocations)
    },
    get problem() {
      return source.problem
    },
    onChange: listeners.onChange,
    async [Symbol.asyncDispose]() {
      for (const stop of stops) stop()
      listeners.clear()
      await source[Symbol.asyncDispose]()
    },
  }
}

/** Who signs on until its successor may does not, either. */
function withoutRevokedOnes(rotation: Rotation, revocations: RevocationSource): Rotation {
  return {
    journal: () => rotation.journal(),
    states: () => rotation.states(),
    withdrawn: () => rotation.withdrawn(),
    maySign: (authority: Authority) =>
      rotation.maySign(authority) && revocationOf(authority.path, revocations) === undefined,
    isDelivered: (authority) => rotation.isDelivered(authority),
    isFresh: () => rotation.isFresh(),
  }
}

/** The name of what takes one of these. */
export function revocationOf(
  path: readonly CaCertificate[],
  revocations: Pick<RevocationSource, 'find'>,
): string | undefined {
  return path.map((ca) => revocations.find(revocableCa(ca))?.name).find((by) => by !== undefined)
}

function unavailable(message: string): CountersignError {
  return new CountersignError('pki/authority-unavailable', message)
}
