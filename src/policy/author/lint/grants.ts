import { isObject, valuesAt } from './known-values.ts'
import type { Finding } from './warning.ts'

/** What is wrong with a document of data, and where in it. */
export interface GrantFinding extends Omit<Finding, 'row'> {
  readonly path: readonly string[]
}

/**
 * Grants that no call meets, of tools whose types are known: by the name of a tool that its server has not, of an argument that it has
 * not, or by a value that is not among those that it takes.
 */
export function lintGrants(
  data: unknown,
  schemas: ReadonlyMap<string, unknown>,
): readonly GrantFinding[] {
  const findings: GrantFinding[] = []
  for (const kind of ['tenants', 'subjects']) {
    const holders = ['grants', kind]
    for (const [who, servers] of membersAt(data, holders)) {
      for (const [server, offers] of membersOf(servers)) {
        const path = [...holders, who, server, 'tools']
        if (!isKnown(server, schemas)) continue
        for (const [tool, conditions] of membersAt(offers, ['tools'])) {
          const schema = schemas.get(`tools/${server}/${tool}`)
          findings.push(...lintTool({ path: [...path, tool], tool, server, conditions, schema }))
        }
      }
    }
  }
  return findings
}

/** Of a server that no types were written of nothing can be said. */
function isKnown(server: string, schemas: ReadonlyMap<string, unknown>): boolean {
  return [...schemas.keys()].some((name) => name.startsWith(`tools/${server}/`))
}

interface Granted {
  readonly path: readonly string[]
  readonly server: string
  readonly tool: string
  readonly conditions: unknown
  readonly schema: unknown
}

function lintTool({ path, server, tool, conditions, schema }: Granted): readonly GrantFinding[] {
  if (schema === undefined) {
    return [
      {
        code: 'unknown-tool',
        path,
        message: `grants a tool that ${server} has not, got=${tool}`,
        hint: 'policy schema writes the types of the tools that there are; a prefix grants several',
      },
    ]
  }
  const known = namesOf(schema)
  return membersAt(conditions, ['arguments']).flatMap(
    ([name, allowed]): readonly GrantFinding[] => {
      const at = [...path, 'arguments', name]
      if (known !== undefined && !known.includes(name)) {
        const message = `no call of ${tool} has the argument ${name}, so none is allowed`
        return [{ code: 'unknown-argument', path: at, message, hint: `it has ${known.join(' ')}` }]
      }
      const values = valuesAt(schema, [name])
      if (values === undefined || !Array.isArray(allowed)) return []
      return (allowed as readonly unknown[])
        .filter((value) => !(values as readonly unknown[]).includes(value))
        .map((value) => ({
          code: 'unknown-value',
          path: at,
          message: `${name} of ${tool} is never ${JSON.stringify(value)}: its schema lists other values`,
          hint: `it is one of ${values.map((each) => JSON.stringify(each)).join(' ')}`,
        }))
    },
  )
}

/** The names that an object may have, where its schema lists them all. */
function namesOf(schema: unknown): readonly string[] | undefined {
  const members = isObject(schema) ? schema['properties'] : undefined
  return isObject(members) ? Object.keys(members) : undefined
}

function membersAt(
  value: unknown,
  path: readonly string[],
): readonly (readonly [string, unknown])[] {
  const at = path.reduce<unknown>(
    (of, name) => (isObject(of) && Object.hasOwn(of, name) ? of[name] : undefined),
    value,
  )
  return membersOf(at)
}

function membersOf(value: unknown): readonly (readonly [string, unknown])[] {
  return isObject(value) ? Object.entries(value) : []
}
