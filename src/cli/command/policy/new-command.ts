import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { CountersignError, quoted } from '../../../errors.ts'
import { shippedPolicies } from '../../../policy/engine.ts'
import type { Terminal } from '../../terminal.ts'

export interface PolicyNewOptions {
  /** Of the ready rules, by their names, in the place of the example. */
  readonly rules?: readonly string[]
  readonly json?: boolean
}

/** From where in the package to where in the folder. */
const copied = [
  ['countersign', 'countersign'],
  ['data/data.json', 'data.json'],
  ['bundle/schemas.json', 'schemas.json'],
  ['schemas', 'schemas'],
  ['capabilities.json', 'capabilities.json'],
] as const

/** Gives an author a folder of sources to begin with, whole or not at all. Throws `cli/usage` where something is there already. */
export async function runPolicyNew(
  place: string,
  options: PolicyNewOptions,
  terminal: Terminal,
): Promise<void> {
  const folder = resolve(place)
  const own = await ownRules(options.rules ?? [])
  await mkdir(dirname(folder), { recursive: true })
  const beside = await mkdtemp(join(dirname(folder), `.${basename(folder)}-`))
  const made = join(beside, 'made')
  try {
    for (const [from, to] of copied) {
      await cp(join(shippedPolicies, from), join(made, to), { recursive: true, filter: isWanted })
    }
    for (const from of own) await addRules(join(shippedPolicies, from), made)
    const rules = (await readdir(join(made, 'countersign', 'custom'))).toSorted()
    await settle(made, folder, place)
    const files = rules.map((name) => join(place, 'countersign', 'custom', name))
    if (options.json === true) {
      terminal.out(`${JSON.stringify({ version: 1, ok: true, folder: place, rules: files })}\n`)
    } else {
      terminal.out(`${files.join('\n')}\nhold your own rules and their tests; next:\n`)
      terminal.out(`  countersign policy test ${place}\n`)
      terminal.out(`  countersign policy build ${place} -o bundle.tar.gz\n`)
    }
  } finally {
    await rm(beside, { recursive: true, force: true })
  }
}

/** The folders of what is the author's from then on, with its tests. */
async function ownRules(names: readonly string[]): Promise<readonly string[]> {
  if (names.length === 0) return ['template/custom']
  const ready = (await readdir(join(shippedPolicies, 'library'))).toSorted()
  const unknown = names.find((name) => !ready.includes(name))
  if (unknown === undefined) return names.map((name) => join('library', name))
  const message = `--rules: want=some of ${ready.join(', ')} got=${quoted(unknown, 200)}`
  throw new CountersignError('cli/usage', message)
}

/**
 * Data of a root that rules bring is held to a schema, as that of the shipped ones is; without one it would be refused. What they want
 * declared of a root that is there stands beside what others do.
 */
async function addRules(from: string, made: string): Promise<void> {
  for (const name of await readdir(from)) {
    const merged = join(made, name)
    if (name === 'schemas.json') {
      await writeJson(merged, {
        ...(await readJson(merged)),
        ...(await readJson(join(from, name))),
      })
    } else if (name === 'data.json') {
      await writeJson(merged, mergeRoots(await readJson(merged), await readJson(join(from, name))))
    } else await cp(join(from, name), join(made, 'countersign', 'custom', name))
  }
}

type Json = Readonly<Record<string, object>>

function mergeRoots(data: Json, more: Json): Json {
  const roots = Object.entries(more).map(([root, value]) => [root, { ...data[root], ...value }])
  return { ...data, ...(Object.fromEntries(roots) as Json) }
}

async function readJson(file: string): Promise<Json> {
  return JSON.parse(await readFile(file, 'utf8')) as Json
}

async function writeJson(file: string, value: object): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`)
}

/** The shipped rules have passed their tests, which know nothing of rules beside them. */
function isWanted(path: string): boolean {
  return !path.endsWith('_test.rego')
}

/** Only over nothing, or an empty folder. */
async function settle(made: string, folder: string, place: string): Promise<void> {
  try {
    await rename(made, folder)
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException
    if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(code)) throw cause
    const message = `folder: want=a new or an empty one got=${quoted(place, 200)}`
    throw new CountersignError('cli/usage', message, { cause })
  }
}
