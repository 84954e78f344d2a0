import { stat } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { isNode, LineCounter, parseDocument } from 'yaml'
import { CountersignError, quoted } from '../../../errors.ts'
import { jsonFault } from '../../../policy/json-fault.ts'
import { lintGrants } from '../../../policy/author/lint/grants.ts'
import { lintPolicy } from '../../../policy/author/lint/lint.ts'
import type { LintedFile } from '../../../policy/author/lint/lint.ts'
import type { RegoModule } from '../../../policy/author/lint/rego-module.ts'
import type { Warning } from '../../../policy/author/lint/warning.ts'
import { bundleOctetsMax } from '../../../policy/bundle-content.ts'
import { formatJsonPointer } from '../../../policy/json-pointer.ts'
import { checkTypes } from './build-plan.ts'
import type { Opa } from './opa.ts'
import { readSources } from './rego-sources.ts'
import { listSources, readSource } from './source-files.ts'
import type { Sources } from './source-files.ts'

/** Whether a place has sources, and nothing that was made of them. */
export async function isOfSources(place: string): Promise<boolean> {
  const found = await stat(place).catch(() => undefined)
  if (found?.isDirectory() !== true) return false
  const made = ['.manifest', 'plan.json', 'policy.wasm'].map((name) => join(place, name))
  const isMade = await Promise.all(made.map((file) => stat(file).catch(() => undefined)))
  if (isMade.some((file) => file !== undefined)) return false
  return (await listSources([place])).files.some((file) => file.endsWith('.rego'))
}

/**
 * Holds a folder of sources to its types, and tells which rules do not do what they say. Tests are left out. Throws `policy/source` and
 * `policy/opa`.
 */
export async function lintSources(opa: Opa, place: string): Promise<readonly Warning[]> {
  const sources = await listSources([place])
  await checkTypes(opa, sources.places)
  const own = sources.files.filter((file) => file.endsWith('.rego') && !file.endsWith('_test.rego'))
  const files: LintedFile[] = []
  // Read before OPA does: no more of them, and no larger ones, than a bundle may have.
  for (const { name } of await readSources(own, sources.places)) {
    files.push({ file: name, module: await parse(opa, name) })
  }
  const schemas = await readSchemas(sources)
  const ofData = await lintData(sources, schemas)
  const ofRules = lintPolicy(files, (name) => schemas.get(name), ofData.facts)
  return [...ofRules, ...ofData.warnings]
}

/** Grants, in whichever of the documents they stand, and what all of them declare to be kept. */
async function lintData(
  { places, files }: Sources,
  schemas: ReadonlyMap<string, unknown>,
): Promise<{ readonly warnings: readonly Warning[]; readonly facts: ReadonlySet<string> }> {
  const warnings: Warning[] = []
  const facts = new Set<string>()
  let left = bundleOctetsMax
  for (const place of places) {
    for (const file of files.filter((each) => basename(each) === 'data.json')) {
      const octets = await readSource(file, left)
      left -= octets.length
      const text = octets.toString('utf8')
      const folders = relative(place, dirname(file))
        .split(sep)
        .filter((name) => name !== '')
      const data = folders.reduceRight<unknown>(
        (of, name) => ({ [name]: of }),
        parseJson(file, text),
      )
      const { history = {} } = (data ?? {}) as { readonly history?: object }
      for (const name of Object.keys(history)) facts.add(name)
      const findings = lintGrants(data, schemas)
      const rowOf = findings.length > 0 ? createRows(text) : () => 1
      for (const { path, ...finding } of findings) {
        const row = rowOf(path.slice(folders.length))
        warnings.push({ ...finding, file, row, rule: formatJsonPointer(path) })
      }
    }
  }
  return { warnings, facts }
}

/** The reader that knows rows takes long for large documents, of which the pointer has to do. */
const placedCharactersMax = 1_000_000

/** Tells where members of a document stand: JSON is YAML, whose reader knows rows. */
function createRows(text: string): (path: readonly string[]) => number {
  if (text.length > placedCharactersMax) return () => 1
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, schema: 'json' })
  return (path) => {
    const node = document.getIn(path, true)
    const offset = isNode(node) ? node.range?.[0] : undefined
    return offset === undefined ? 1 : lineCounter.linePos(offset).line
  }
}

async function parse(opa: Opa, file: string): Promise<RegoModule> {
  const how = ['--format', 'json', '--json-include', 'locations,-comments']
  // An error stands in what is printed so: it is asked for anew, in words.
  const text = await opa.run(['parse', ...how, '--', file]).catch(async (error: unknown) => {
    await opa.run(['check', '--', file])
    throw error
  })
  return JSON.parse(text) as RegoModule
}

/** The documents of the folder `schemas`, by their names in METADATA. */
async function readSchemas({ places, files }: Sources): Promise<ReadonlyMap<string, unknown>> {
  const schemas = new Map<string, unknown>()
  let left = bundleOctetsMax
  for (const place of places) {
    const folder = join(place, 'schemas')
    for (const file of files) {
      const name = relative(folder, file)
      if (name.startsWith('..') || !name.endsWith('.json')) continue
      const octets = await readSource(file, left)
      left -= octets.length
      schemas.set(name.slice(0, -'.json'.length), parseJson(file, octets.toString('utf8')))
    }
  }
  return schemas
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    const message = `file is no JSON, got=${quoted(file, 200)}: ${jsonFault(text) ?? 'want=JSON'}`
    throw new CountersignError('policy/source', message)
  }
}
