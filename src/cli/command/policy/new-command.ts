import { cp, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { CountersignError, quoted } from '../../../errors.ts'
import { shippedPolicies } from '../../../policy/engine.ts'
import type { Terminal } from '../../terminal.ts'

export interface PolicyNewOptions {
  readonly json?: boolean
}

/** From where in the package to where in the folder. */
const copied = [
  ['countersign', 'countersign'],
  ['template/custom', 'countersign/custom'],
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
  await mkdir(dirname(folder), { recursive: true })
  const beside = await mkdtemp(join(dirname(folder), `.${basename(folder)}-`))
  const made = join(beside, 'made')
  try {
    for (const [from, to] of copied) {
      await cp(join(shippedPolicies, from), join(made, to), { recursive: true, filter: isWanted })
    }
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

/** The shipped rules have passed their tests, which know nothing of rules beside them; those of the template are the author's. */
function isWanted(path: string): boolean {
  return !path.endsWith('_test.rego') || path.includes(join('template', 'custom'))
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
