import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CountersignError, quoted } from '../../../errors.ts'
import { openAskedPlan } from '../../../policy/author/ask-plan.ts'
import type { Answer, AskedPlan } from '../../../policy/author/ask-plan.ts'
import { mergeDocuments } from '../../../policy/bundle.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'
import { parseDataDocument } from '../../../policy/data-document.ts'
import { parseDataSchemas } from '../../../policy/data-schemas.ts'
import { fuelOf } from '../../../policy/engine.ts'
import { boundedText } from '../../../policy/input.ts'
import { fromJson } from '../../../policy/plan/json.ts'
import type { Value } from '../../../policy/plan/values.ts'
import { readPolicyFile } from '../../policy-files.ts'
import { Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'
import { buildBundle, checkTypes } from './build-plan.ts'
import { findOpa } from './opa.ts'
import { isCompiled, planIn } from './open-plan.ts'
import { printableJson } from './printable.ts'
import { readNamedData, readWhole } from './read-bundle.ts'
import { listSources } from './source-files.ts'

export interface PolicyEvalOptions {
  readonly query?: string
  readonly input?: string
  readonly data?: readonly string[]
  readonly opa?: string
  readonly json?: boolean
}

/** What an expression may take, which nobody waits for: as much as a list of a gateway. */
const expressionFuelMax = 1_000_000

/** The rule that an expression is made: all its values, so that one without any is told from one that is false. */
const asked = { path: 'countersign_asked/values', file: 'query.rego' } as const

/** Asks the engine that enforces for a value. Throws `Refused` where there is none. */
export async function runPolicyEval(
  places: readonly string[],
  options: PolicyEvalOptions,
  terminal: Terminal,
): Promise<void> {
  const { query, json } = options
  if (query === undefined) throw new CountersignError('cli/usage', '--query: want=text got=none')
  const input = options.input === undefined ? undefined : await readInput(options.input)
  const { content, entrypoint } = (await isCompiled(places))
    ? { content: await readWhole(places[0] ?? ''), entrypoint: entrypointOf(query) }
    : await buildQuery(places, query, findOpa(options.opa, process.env, terminal.signal))
  const plan = await openPlan(content, options.data ?? [])
  if (!plan.entrypoints.includes(entrypoint)) throw notAnEntrypoint(query, plan)
  const { values, steps, error } = ask(plan, entrypoint, input)
  const ok = values.length > 0
  if (json === true) {
    terminal.out(`${JSON.stringify({ version: 1, ok, engine: 'plan', values, steps, error })}\n`)
  } else {
    for (const value of values) terminal.out(`${printableJson(value)}\n`)
    if (error !== undefined) terminal.err(`countersign: error: ${error.message} (${error.code})\n`)
    else if (!ok) terminal.out('undefined\n')
  }
  if (!ok) throw new Refused()
}

/** An input as a gateway would take it: an object, no larger than it may be, and no member twice. */
async function readInput(file: string): Promise<Value> {
  try {
    const text = await readPolicyFile(file, 'policy/input')
    parseDataDocument(text, file)
    return fromJson(boundedText(text))
  } catch (cause) {
    throw new CountersignError('cli/usage', `--input: ${(cause as Error).message}`, { cause })
  }
}

/** OPA says `data.a.b` of what an entrypoint calls `a/b`. */
function entrypointOf(query: string): string {
  return query.startsWith('data.') ? query.slice('data.'.length).replaceAll('.', '/') : query
}

const entrypointForm = /^[a-zA-Z_][\w-]*(\/[a-zA-Z_][\w-]*)+$/

async function buildQuery(
  places: readonly string[],
  query: string,
  opa: ReturnType<typeof findOpa>,
): Promise<{ readonly content: BundleContent; readonly entrypoint: string }> {
  await listSources(places)
  await checkTypes(opa, places)
  if (entrypointForm.test(query)) {
    const content = await buildBundle(opa, places, { target: 'plan', entrypoints: [query] })
    return { content, entrypoint: query }
  }
  const folder = await mkdtemp(join(tmpdir(), 'countersign-query-'))
  try {
    const file = join(folder, asked.file)
    const [name] = asked.path.split('/')
    await writeFile(file, `package ${name}\n\nvalues := [value | value := ${query}\n]\n`)
    const entrypoints = [asked.path]
    const content = await buildBundle(opa, [...places, file], { target: 'plan', entrypoints })
    return { content, entrypoint: asked.path }
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The rules with the data of their bundle and what is given beside it, as a gateway merges and checks them. */
async function openPlan(content: BundleContent, files: readonly string[]): Promise<AskedPlan> {
  const { plan, dataText } = planIn(content)
  const schemas = content.files.get('schemas.json')
  const types = schemas === undefined ? undefined : parseDataSchemas(schemas.toString('utf8'))
  const documents = await readNamedData(files)
  for (const document of documents) types?.check(document)
  const own = parseDataDocument(dataText, 'data.json').value
  const merged = mergeDocuments(
    own,
    documents.map(({ value }) => value),
  )
  return openAskedPlan(plan, merged.dataText)
}

function notAnEntrypoint(query: string, { entrypoints }: AskedPlan): CountersignError {
  const message = `--query: want=an entrypoint of the bundle got=${quoted(query, 200)}`
  return new CountersignError('cli/usage', message, {
    hint: `it has ${entrypoints.map((name) => quoted(name, 100)).join(', ')}; expressions are asked of sources`,
  })
}

type Asked = Partial<Pick<Answer, 'steps'>> & {
  readonly values: readonly unknown[]
  readonly error?: { readonly code: string; readonly message: string }
}

function ask(plan: AskedPlan, entrypoint: string, input: Value | undefined): Asked {
  const isExpression = entrypoint === asked.path
  const fuel = isExpression ? expressionFuelMax : fuelOf(entrypoint)
  try {
    const { value, steps } = plan.ask(entrypoint, input, fuel)
    if (isExpression) return { values: value as readonly unknown[], steps }
    return { values: value === undefined ? [] : [value], steps }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    const { code, message } = error
    return { values: [], error: { code, message } }
  }
}
