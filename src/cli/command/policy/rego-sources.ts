import { CountersignError, quoted } from '../../../errors.ts'
import { bundleFilesMax, bundleOctetsMax } from '../../../policy/bundle-content.ts'
import type { Opa } from './opa.ts'
import { readSource } from './source-files.ts'
import type { Sources } from './source-files.ts'

/** A rule, as far as its head says. */
export interface RuleHead {
  readonly file: string
  readonly packagePath: readonly string[]
  /** Its name, and what follows as far as that is constant. */
  readonly ref: readonly string[]
  readonly isFunction: boolean
}

/** A file of Rego. */
export interface Source {
  readonly name: string
  readonly text: string
}

/** What of the syntax is asked for: names alone, so that the answer is small. */
const headsQuery = `[head |
	some source in input
	module := rego.parse_module(source.name, source.text)
	some rule in module.rules
	head := {
		"file": source.name,
		"package": [term.value | some term in module.package.path],
		"ref": [[term.type, term.value] | some term in rule.head.ref],
		"isFunction": count(object.get(rule.head, "args", [])) > 0,
	}
]`

/** The heads of all rules of these sources, in order. Throws `policy/source` and `policy/opa`. */
export async function readRuleHeads(
  opa: Opa,
  { places, files }: Sources,
): Promise<readonly RuleHead[]> {
  const rego = files.filter((file) => file.endsWith('.rego'))
  return headsOf(opa, await readSources(rego, places))
}

/** The heads of the rules in these texts. Throws `policy/source` and `policy/opa`. */
export async function headsOf(opa: Opa, sources: readonly Source[]): Promise<readonly RuleHead[]> {
  const words = ['eval', '--format', 'json', '--stdin-input', '--strict-builtin-errors', headsQuery]
  const answer = JSON.parse(await opa.run(words, JSON.stringify(sources))) as {
    readonly result: readonly [{ readonly expressions: readonly [{ readonly value: RawHeads }] }]
  }
  return answer.result[0].expressions[0].value.map(({ file, package: names, ref, isFunction }) => ({
    file,
    packagePath: names.slice(1),
    ref: groundPrefix(ref),
    isFunction,
  }))
}

type RawHeads = readonly {
  readonly file: string
  readonly package: readonly string[]
  readonly ref: readonly (readonly [type: string, value: unknown])[]
  readonly isFunction: boolean
}[]

function groundPrefix(ref: RawHeads[number]['ref']): readonly string[] {
  const end = ref.findIndex(([type], at) => at > 0 && type !== 'string')
  return ref.slice(0, end === -1 ? ref.length : end).map(([, value]) => String(value))
}

/** The texts of files that were found at these places, one at the least. Throws `policy/source`. */
export async function readSources(
  files: readonly string[],
  places: readonly string[],
): Promise<readonly Source[]> {
  if (files.length === 0) {
    const shown = quoted(places.join(' '), 200)
    throw new CountersignError('policy/source', `no file of Rego is there, got=${shown}`)
  }
  if (files.length > bundleFilesMax) {
    const fault = `want=..${bundleFilesMax} files of Rego got=${files.length}`
    throw new CountersignError('policy/source', `sources are too many, ${fault}`)
  }
  const sources: Source[] = []
  let left = bundleOctetsMax
  for (const name of files) {
    const octets = await readSource(name, left)
    left -= octets.length
    sources.push({ name, text: octets.toString('utf8') })
  }
  return sources
}
