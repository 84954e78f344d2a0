import { createHash } from 'node:crypto'
import { canonicalJson } from '../canonical-json.ts'
import { quoted } from '../errors.ts'
import { refusedBundle as refused } from './bundle-content.ts'
import type { BundleContent } from './bundle-content.ts'
import { readBundle } from './bundle-place.ts'
import { faultInJson } from './data-document.ts'
import { checkModuleMemory } from './module-sections.ts'
import { parseDataSchemas, type DataSchemas } from './data-schemas.ts'

type Json = Readonly<Record<string, unknown>>

/** A policy bundle in OPA's layout, with the operator's data. */
export interface PolicyBundle {
  readonly revision: string
  readonly module: WebAssembly.Module
  /** The document that rules see as `data`, and the same as JSON. */
  readonly data: Json
  readonly dataText: string
  /** SHA-256, hex, of the rules, as module and as plan, and the data together: two engines with one digest decide alike. */
  readonly digest: string
}

/** The packages' own root: data there would take the place of rules. */
const packageRoot = 'countersign'

/** A bundle as it is, before anything of the operator's is merged into it. */
export interface BundleFiles {
  readonly revision: string
  /** What its data keeps to. */
  readonly roots: readonly string[]
  readonly module: WebAssembly.Module
  /** OPA's plan of the same rules, as JSON has it; undefined of a bundle that has none. */
  readonly plan: unknown
  /** SHA-256 of each file that holds rules. */
  readonly rulesSha256: readonly Buffer[]
  readonly data: Json
  /** Of a bundle that says what its data may hold. */
  readonly schemas: DataSchemas | undefined
}

/** Reads the bundle of a folder or an archive. Throws `policy/bundle`. */
export async function readBundleFiles(place: string): Promise<BundleFiles> {
  return parseBundle(await readBundle(place))
}

/** Reads `.manifest`, `policy.wasm` and `data.json`, and `plan.json` and `schemas.json` where they are. Throws `policy/bundle`. */
export async function parseBundle({ files }: BundleContent): Promise<BundleFiles> {
  const wasm = fileOf(files, 'policy.wasm')
  const plan = files.get('plan.json')
  const schemas = files.get('schemas.json')
  const { revision, roots } = parseManifest(fileOf(files, '.manifest'))
  const data = parseJson(fileOf(files, 'data.json'), 'data.json')
  checkRoots(data, roots)
  return {
    revision,
    roots,
    module: await compile(wasm),
    plan: plan === undefined ? undefined : readJson(plan, 'plan.json').value,
    rulesSha256: [wasm, ...(plan === undefined ? [] : [plan])].map(sha256),
    data,
    schemas: schemas === undefined ? undefined : parseDataSchemas(schemas.toString('utf8')),
  }
}

function fileOf(files: BundleContent['files'], name: string): Buffer {
  const content = files.get(name)
  if (content === undefined) throw refused(`bundle lacks a file, want=${name}`)
  return content
}

/** What a manifest says of the bundle as a whole. */
interface Manifest {
  readonly revision: string
  readonly roots: readonly string[]
}

/** Throws `policy/bundle`. */
function parseManifest(octets: Buffer): Manifest {
  const manifest = parseJson(octets, '.manifest')
  return { revision: parseRevision(manifest), roots: parseRoots(manifest['roots']) }
}

function parseRoots(value: unknown): readonly string[] {
  if (value === undefined) return ['']
  const isList = Array.isArray(value) && value.every((root) => typeof root === 'string')
  if (!isList) throw refused('roots of the manifest are of the wrong type, want=list of paths')
  const roots = (value as readonly string[]).map((root) => root.replaceAll(/^\/+|\/+$/g, ''))
  for (const [index, root] of roots.entries()) {
    const other = roots.find((each, at) => at !== index && isUnder(each, root))
    if (other !== undefined) {
      throw refused(`roots of the manifest overlap, got=${quoted(root)} ${quoted(other)}`)
    }
  }
  return roots
}

function isUnder(path: string, root: string): boolean {
  return root === '' || path === root || path.startsWith(`${root}/`)
}

/** A bundle writes under its roots alone: all that it brings as data has to stand there. */
function checkRoots(data: Json, roots: readonly string[], prefix = ''): void {
  for (const [name, value] of Object.entries(data)) {
    const path = `${prefix}${name}`
    if (roots.some((root) => isUnder(path, root))) continue
    const isAbove = roots.some((root) => isUnder(root, path))
    if (!isAbove || !isObject(value)) {
      throw refused(`data is outside of the roots of the manifest, got=${quoted(path)}`)
    }
    checkRoots(value, roots, `${path}/`)
  }
}

/** Merges the operator's data beside the bundle's. Throws `policy/bundle`. */
export function mergeBundle(files: BundleFiles, documents: readonly object[]): PolicyBundle {
  const { data, dataText } = mergeDocuments(files.data, documents)
  const { revision, module, rulesSha256 } = files
  return { revision, module, data, dataText, digest: digestOf(rulesSha256, dataText) }
}

/** What rules see as `data`: the bundle's, and beside it what operators say. Throws `policy/bundle`. */
export function mergeDocuments(
  own: Json,
  documents: readonly object[],
): Pick<PolicyBundle, 'data' | 'dataText'> {
  const data = (documents as readonly Json[]).reduce(
    (merged, document) => mergeData(merged, document, 'data'),
    own,
  )
  if (Object.hasOwn(data, packageRoot)) {
    throw refused(`data has a root that belongs to the rules, got=${packageRoot}`)
  }
  // In one spelling, so that the digest does not depend on how the data was written.
  return { data, dataText: canonicalJson(data, 'policy/bundle') }
}

/** Merges as OPA merges data files: objects member by member, and everything that both sides name is a conflict. */
function mergeData(left: Json, right: Json, path: string): Json {
  const merged = new Map<string, unknown>(Object.entries(left))
  for (const [name, value] of Object.entries(right)) {
    const present = merged.get(name)
    if (present === undefined) merged.set(name, value)
    else if (isObject(present) && isObject(value)) {
      merged.set(name, mergeData(present, value, `${path}.${name}`))
    } else throw refused(`data is said twice, got=${quoted(`${path}.${name}`)}`)
  }
  // Not Object.assign: a member named __proto__ stays a member.
  return Object.fromEntries(merged)
}

function digestOf(rulesSha256: readonly Buffer[], dataText: string): string {
  // Each part is hashed on its own, so that no octet can move from one to the other.
  return sha256(Buffer.concat([...rulesSha256, sha256(Buffer.from(dataText))])).toString('hex')
}

function sha256(octets: Buffer): Buffer {
  return createHash('sha256').update(octets).digest()
}

function parseRevision(manifest: Json): string {
  const revision = manifest['revision']
  if (typeof revision !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(revision)) {
    throw refused('manifest has no revision, want=1..128 visible characters')
  }
  return revision
}

function readJson(
  octets: Buffer,
  name: string,
): { readonly text: string; readonly value: unknown } {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(octets)
    return { text, value: JSON.parse(text) }
  } catch (error) {
    throw refused(`${name} is not JSON`, error)
  }
}

function parseJson(octets: Buffer, name: string): Json {
  const { text, value } = readJson(octets, name)
  const fault = faultInJson(text)
  if (fault !== undefined) throw refused(`${name}: ${fault}`)
  if (!isObject(value)) throw refused(`${name} is not a JSON object`)
  return value
}

async function compile(wasm: Buffer): Promise<WebAssembly.Module> {
  let module: WebAssembly.Module
  try {
    module = await WebAssembly.compile(new Uint8Array(wasm))
  } catch (error) {
    throw refused('policy.wasm is not a WebAssembly module', error)
  }
  checkModuleMemory(wasm)
  return module
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
