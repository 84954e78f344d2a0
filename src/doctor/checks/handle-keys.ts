import { ok, plural, problem, unknown, warning, type Check } from '../check.ts'
import type { ReadinessFact } from '../facts.ts'
import { isInstalled } from '../own-pods.ts'

interface Keys {
  readonly pod: string
  readonly said: string
  /** The key that seals first; none where it is made at the start of the pod, or cannot be read. */
  readonly ids: readonly string[]
}

/**
 * Whether what one replica has sealed opens at the others, by the ids of keys that each says: sessions, cursors, tasks and approvals are good
 * at all of them or at one. The Secret itself is not read, for nobody needs that right.
 */
export const handleKeys: Check = {
  name: 'handle-keys',
  judge: (facts) => {
    const pods = facts.readiness.gateway
    if (!isInstalled(facts, 'gateway')) return ok('no gateway is installed here')
    if (!pods.known) return unknown(pods)
    const all = pods.value.flatMap(keysOf)
    if (all.length === 0) {
      return warning('not checked: no gateway says anything of its keys', {
        hint: 'is it ready: see the check gateway',
      })
    }
    const evidence = all.map(({ pod, said }) => `${pod}: ${said}`)
    const without = all.filter(({ ids }) => ids.length === 0)
    if (without.length > 0) {
      return (all.length > 1 ? problem : warning)(
        `${plural(without.length, 'gateway')} with a key of its own start`,
        {
          evidence,
          hint: 'give all replicas one Secret of keys: docs/OPERATING.md, Keys of handles',
        },
      )
    }
    const closed = all.filter(({ ids: [sealing = ''] }) =>
      all.some(({ ids }) => !ids.includes(sealing)),
    )
    if (closed.length > 0) {
      return problem(
        `what ${plural(closed.length, 'replica')} of ${all.length} seals does not open at all of them`,
        {
          evidence,
          hint: 'all replicas mount one Secret, and a key that comes to it is everywhere after two minutes: ask again then',
        },
      )
    }
    return ok(`${plural(all.length, 'gateway')}, what one seals opens at all`, evidence)
  },
}

function keysOf({ pod, conditions = [] }: ReadinessFact): readonly Keys[] {
  const said = conditions.find(({ name }) => name === 'handle-keys')?.reason
  if (said === undefined) return []
  const [, sealing, others = ''] =
    /^(?:one key|\d+ keys), ([0-9a-f]{8}) seals(?:, ([0-9a-f ]+) opens)?/.exec(said) ?? []
  const ids = sealing === undefined ? [] : [sealing, ...others.split(' ').filter((id) => id !== '')]
  return [{ pod, said, ids }]
}
