import { quoted } from '../../errors.ts'
import type { Plain, Value } from '../plan/values.ts'

/** What rules decide by. */
export interface Asked {
  readonly input: Value
  readonly data: Value
}

/** Something that could have been another, so that the shipped rules may decide otherwise. */
export interface NearChange {
  /** For operators: it may name what is granted. */
  readonly text: string
  /** For whoever called, where it is of nothing but the call. */
  readonly agentText: string | undefined
  readonly apply: (asked: Asked) => Asked
}

/** Values of an argument that are told. */
const valuesMax = 5
const valueCharactersMax = 100

const calling = ['agent', 'model-gateway', 'tool-broker']

/** What is near a certificate: its namespace, as it is denied. */
function changesOfCertificate({ input, data }: Asked): readonly NearChange[] {
  const namespace = memberAt(input, ['subject', 'properties', 'namespace'])
  const place = ['issuance', 'denied_namespaces']
  if (typeof namespace !== 'string' || memberAt(data, [...place, namespace]) === undefined) {
    return []
  }
  const without = (denied: Value | undefined): Value =>
    Object.fromEntries(Object.entries(plainOf(denied)).filter(([name]) => name !== namespace))
  return [
    {
      text: `the namespace ${quoted(namespace, 100)} not in data.issuance.denied_namespaces`,
      agentText: undefined,
      apply: inData(place, without),
    },
  ]
}

/** What is near a call of a tool, or a certificate. Rules have read its arguments already where a grant speaks of them. */
export function changesOf(asked: Asked): readonly NearChange[] {
  const { subject, resource } = membersOf(asked.input, ['subject', 'resource'])
  const { id: who, properties } = membersOf(subject, ['id', 'properties'])
  const { tenant, role } = membersOf(properties, ['tenant', 'role'])
  const { id: tool, type, properties: of } = membersOf(resource, ['id', 'type', 'properties'])
  const { server } = membersOf(of, ['server'])
  if (type === 'certificate') return changesOfCertificate(asked)
  if (type !== 'tool' || typeof tool !== 'string' || typeof server !== 'string') {
    return []
  }
  const name = `${server}:${tool}`
  const changes: NearChange[] = []
  if (typeof role !== 'string' || !calling.includes(role)) {
    changes.push({
      text: 'the role agent in the certificate (label countersign.dev/role)',
      agentText: undefined,
      apply: inInput(['subject', 'properties', 'role'], () => 'agent'),
    })
  }
  changes.push({
    text: `the tool scope ${quoted(name, 300)} in the certificate (annotation countersign.dev/tool-scopes)`,
    agentText: undefined,
    apply: inInput(['subject', 'properties', 'toolScopes'], (scopes) => [...listOf(scopes), name]),
  })
  const holders = [
    ['tenants', tenant],
    ['subjects', who],
  ] as const
  for (const [kind, holder] of holders) {
    if (typeof holder !== 'string') continue
    const place = ['grants', kind, holder, server]
    const conditions = mostSpecific(memberAt(asked.data, place), tool)
    if (conditions === undefined) {
      changes.push({
        text: `a grant of ${quoted(name, 300)} to ${quoted(holder, 300)} (data.grants.${kind})`,
        agentText: undefined,
        apply: inData([...place, 'tools', tool], () => ({})),
      })
      continue
    }
    changes.push(...argumentChange(asked, conditions, { kind, holder }))
  }
  return changes
}

/** All arguments that one grant wants otherwise. */
function argumentChange(
  { input }: Asked,
  conditions: Value,
  { kind, holder }: { readonly kind: string; readonly holder: string },
): readonly NearChange[] {
  const given = memberAt(input, ['context', 'arguments'])
  const wanted = Object.entries(plainOf(memberAt(conditions, ['arguments']))).flatMap(
    ([name, values]) => {
      const allowed = listOf(values)
      const [first] = allowed
      const present = memberAt(given, [name])
      const isMet = allowed.some((each) => JSON.stringify(each) === JSON.stringify(present))
      return isMet || first === undefined ? [] : [{ name, allowed, first, present }]
    },
  )
  if (wanted.length === 0) return []
  const texts = wanted.map(({ name, allowed }) => {
    const shown = allowed
      .slice(0, valuesMax)
      .map((value) => JSON.stringify(value).slice(0, valueCharactersMax))
    const more = allowed.length > valuesMax ? ` and ${allowed.length - valuesMax} more` : ''
    return `the argument ${quoted(name, 100)} as ${shown.join(' or ')}${more}`
  })
  const isNamed = wanted.every(({ present }) => present !== undefined)
  const names = wanted.map(({ name }) => quoted(name, 100)).join(' and ')
  return [
    {
      text: `${texts.join(' and ')}, by the grant of ${quoted(holder, 300)} (data.grants.${kind})`,
      agentText: isNamed ? `another value of the argument ${names}` : undefined,
      apply: (asked) =>
        wanted.reduce(
          (so, { name, first }) => inInput(['context', 'arguments', name], () => first)(so),
          asked,
        ),
    },
  ]
}

/** As the shipped rules choose: the exact name, else the longest prefix. */
function mostSpecific(grants: Value | undefined, tool: string): Value | undefined {
  const exact = memberAt(grants, ['tools', tool])
  if (exact !== undefined) return exact
  const prefixes = plainOf(memberAt(grants, ['prefixes']))
  const longest = Object.keys(prefixes)
    .filter((prefix) => tool.startsWith(prefix))
    .toSorted((a, b) => b.length - a.length)[0]
  return longest === undefined ? undefined : prefixes[longest]
}

type Change = (value: Value | undefined) => Value

function inInput(path: readonly string[], change: Change): NearChange['apply'] {
  return ({ input, data }) => ({ input: changed(input, path, change), data })
}

function inData(path: readonly string[], change: Change): NearChange['apply'] {
  return ({ input, data }) => ({ input, data: changed(data, path, change) })
}

/** The same with another value at a path, whose objects are made where they are not. */
function changed(value: Value | undefined, path: readonly string[], change: Change): Value {
  const [name, ...rest] = path
  if (name === undefined) return change(value)
  const members = plainOf(value)
  const inner = Object.hasOwn(members, name) ? members[name] : undefined
  return Object.fromEntries([...Object.entries(members), [name, changed(inner, rest, change)]])
}

function memberAt(value: Value | undefined, path: readonly string[]): Value | undefined {
  return path.reduce<Value | undefined>((so, name) => {
    const members = plainOf(so)
    return Object.hasOwn(members, name) ? members[name] : undefined
  }, value)
}

function membersOf<N extends string>(
  value: Value | undefined,
  names: readonly N[],
): Readonly<Record<N, Value | undefined>> {
  const read = names.map((name) => [name, memberAt(value, [name])] as const)
  return Object.fromEntries(read) as Record<N, Value | undefined>
}

function plainOf(value: Value | undefined): Plain {
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isPlain ? (value as Plain) : {}
}

function listOf(value: Value | undefined): readonly Value[] {
  return Array.isArray(value) ? (value as readonly Value[]) : []
}
