import { ok, plural, problem, unknown, warning, withPartial, type Check } from '../check.ts'
import type { Facts, Program, RightFact, Rule } from '../facts.ts'
import { rulesGivenTo } from '../rbac.ts'

export const rights: Check = {
  name: 'rights',
  judge: (facts) => {
    const { rights: asked, access } = facts
    if (!asked.known) return unknown(asked)
    const missing = asked.value.filter(({ held }) => !held)
    const vital = missing.filter(({ optional }) => !optional)
    const evidence = missing.map(
      ({ program, text, without }) => `${program}: ${text} is missing: ${without}`,
    )
    if (missing.length > 0) {
      const judge = vital.length > 0 ? problem : warning
      return judge(`${plural(missing.length, 'right')} missing`, {
        evidence,
        hint: 'install the chart again, or give the rights to the service accounts countersign-signer and countersign-gateway',
      })
    }
    const excess = access.known ? excessOf(facts, asked.value) : []
    if (excess.length > 0) {
      return warning(`${plural(excess.length, 'right')} that we do not use`, {
        evidence: excess,
        hint: 'take them away: what a program may do is what a thief of its token may do',
      })
    }
    const compared = access.known ? [] : [`not compared with the roles: ${access.why}`]
    const exactly = `${plural(asked.value.length, 'right')} held`
    return withPartial(ok(`${exactly}${access.known ? ', and no other' : ''}`, compared), [access])
  },
}

function excessOf(facts: Facts, wanted: readonly RightFact[]): readonly string[] {
  const { access, namespace } = facts
  if (!access.known) return []
  return (['signer', 'gateway'] as const).flatMap((program) => {
    const own = wanted.filter((right) => right.program === program)
    if (own.length === 0) return []
    const account = { namespace, name: `countersign-${program}` }
    return rulesGivenTo(access.value, account).flatMap((given) =>
      cellsOf(given.rule)
        .filter((cell) => !own.some((right) => isWanted(cell, right, given.namespace)))
        .map((cell) => describe(program, cell, given)),
    )
  })
}

/** One verb on one resource, of one name or of all. */
interface Cell {
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly name: string | undefined
}

const cellsMax = 1000

function cellsOf({ verbs, groups, resources, names }: Rule): readonly Cell[] {
  const cells: Cell[] = []
  for (const verb of verbs) {
    for (const group of groups) {
      for (const resource of resources) {
        for (const name of names.length === 0 ? [undefined] : names) {
          if (cells.length < cellsMax) cells.push({ verb, group, resource, name })
        }
      }
    }
  }
  return cells
}

/** A right for one name does not want all names, and one for a namespace not the whole cluster. */
function isWanted(cell: Cell, right: RightFact, namespace: string): boolean {
  const { rule, name } = right
  return (
    cell.verb === rule.verb &&
    cell.group === rule.group &&
    cell.resource === rule.resource &&
    (name === undefined || cell.name === name) &&
    (right.namespace === undefined || right.namespace === namespace)
  )
}

function describe(
  program: Program,
  { verb, group, resource, name }: Cell,
  given: { readonly namespace: string; readonly via: string },
): string {
  const what = `${verb} ${resource}${group === '' ? '' : `.${group}`}${name === undefined ? '' : ` ${name}`}`
  const where = given.namespace === '' ? '' : ` in namespace ${given.namespace}`
  return `${program}: ${what}${where}, by ${given.via}`
}
