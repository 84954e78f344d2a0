import { quoted } from '../../errors.ts'
import { parseModel } from '../../identity/model.ts'
import { parseRole, roles as roleNames } from '../../identity/role.ts'
import { parseTenant } from '../../identity/tenant.ts'
import { annotationKeys, grantLabelPrefixes } from '../../identity/governance-key.ts'
import { ok, plural, problem, unknown, warning, withPartial, type Check } from '../check.ts'
import { nearestName } from '../../nearest-name.ts'
import type { Labelled } from '../workload-facts.ts'

/** Where a key means something: everywhere else it is a slip that nobody sees. */
interface Place {
  readonly kind: 'namespace' | 'service account'
  readonly member: 'label' | 'annotation'
}

const places: readonly (Place & { readonly key: string })[] = [
  { kind: 'namespace', member: 'label', key: annotationKeys.tenant },
  ...roleNames.map((role) => ({
    kind: 'namespace' as const,
    member: 'label' as const,
    key: `${grantLabelPrefixes.roles}${role}`,
  })),
  { kind: 'service account', member: 'label', key: annotationKeys.role },
  { kind: 'service account', member: 'annotation', key: annotationKeys.models },
  { kind: 'service account', member: 'annotation', key: annotationKeys.toolScopes },
]

/** Labels of a namespace whose name says what is granted, and how that is read. */
const openGrants: readonly (readonly [prefix: string, parse: (name: string) => unknown])[] = [
  [grantLabelPrefixes.models, parseModel],
  [grantLabelPrefixes.tools, parseModel],
  [grantLabelPrefixes.tenants, parseTenant],
]

/** Every key of ours is one that somebody reads, where it stands and with the value that it has. */
export const governanceKeys: Check = {
  name: 'governance-keys',
  judge: ({ namespaces, serviceAccounts }) => {
    if (!namespaces.known) return unknown(namespaces)
    if (!serviceAccounts.known) return unknown(serviceAccounts)
    const slips = [
      ...namespaces.value.flatMap((each) => slipsOf(each, 'namespace')),
      ...serviceAccounts.value.flatMap((each) => slipsOf(each, 'service account')),
    ]
    const seen = [...namespaces.value, ...serviceAccounts.value]
    const keys = seen.reduce(
      (sum, { labels, annotations }) =>
        sum + Object.keys(labels).length + Object.keys(annotations).length,
      0,
    )
    if (slips.length === 0) {
      const summary = `${plural(keys, 'label or annotation', 'labels and annotations')} of ours, each with a meaning`
      return withPartial(ok(summary), [namespaces, serviceAccounts])
    }
    const broken = slips.some(({ breaks }) => breaks)
    const judge = broken ? problem : warning
    return judge(
      `${plural(slips.length, 'label or annotation', 'labels and annotations')} without effect`,
      {
        evidence: slips.map(({ text }) => text),
        hint: 'correct or remove them: the signer reads no other key and no other value (docs/ISSUANCE.md)',
      },
    )
  },
}

interface Slip {
  readonly text: string
  /** Pods that ask for this are refused for good. */
  readonly breaks: boolean
}

function slipsOf(object: Labelled, kind: Place['kind']): readonly Slip[] {
  const where = kind === 'namespace' ? object.name : `${object.namespace}/${object.name}`
  const judge = (member: Place['member'], key: string, value: string): readonly Slip[] => {
    const why = slip({ kind, member }, key, value)
    if (why === undefined) return []
    return [{ text: `${kind} ${where}: ${member} ${key}: ${why.text}`, breaks: why.breaks }]
  }
  return [
    ...Object.entries(object.labels).flatMap(([key, value]) => judge('label', key, value)),
    ...Object.entries(object.annotations).flatMap(([key, value]) =>
      judge('annotation', key, value),
    ),
  ]
}

function slip(place: Place, key: string, value: string): Slip | undefined {
  const fits = ({ kind, member }: Place): boolean => kind === place.kind && member === place.member
  const known = places.filter(fits).map((each) => each.key)
  if (known.includes(key)) return wrongValue(key, value)
  const open = openGrants.find(([prefix]) => key.startsWith(prefix))
  if (open !== undefined && place.kind === 'namespace' && place.member === 'label') {
    const [prefix, parse] = open
    return unreadable(() => parse(key.slice(prefix.length))) ?? wrongAllowance(value)
  }
  const elsewhere = places.find((each) => each.key === key)
  if (elsewhere !== undefined) {
    const text = `means something only as a ${elsewhere.member} of a ${elsewhere.kind}`
    return { text, breaks: false }
  }
  if (open !== undefined)
    return { text: 'means something only as a label of a namespace', breaks: false }
  const nearest = nearestName(key, known) ?? nearestPrefix(key)
  const advice = nearest === undefined ? '' : `, did you mean ${nearest}`
  return { text: `no such ${place.member}${advice}`, breaks: false }
}

/** Of `tool.countersign.dev/github` the part before the slash is the slip. */
function nearestPrefix(key: string): string | undefined {
  const slash = key.indexOf('/') + 1
  if (slash === 0) return undefined
  const prefixes = Object.values(grantLabelPrefixes)
  const nearest = nearestName(key.slice(0, slash), prefixes)
  return nearest === undefined ? undefined : `${nearest}${key.slice(slash)}`
}

function wrongValue(key: string, value: string): Slip | undefined {
  if (key.startsWith(grantLabelPrefixes.roles)) return wrongAllowance(value)
  if (key === annotationKeys.tenant) return unreadable(() => parseTenant(value))
  if (key === annotationKeys.role) return unreadable(() => parseRole(value))
  return undefined
}

function wrongAllowance(value: string): Slip | undefined {
  if (value === 'allow') return undefined
  return { text: `want=allow got=${quoted(value)}`, breaks: false }
}

function unreadable(parse: () => unknown): Slip | undefined {
  try {
    parse()
    return undefined
  } catch (error) {
    return { text: error instanceof Error ? error.message : 'cannot be read', breaks: true }
  }
}
