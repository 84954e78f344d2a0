import { readFile, writeFile } from 'node:fs/promises'
import { CountersignError, quoted } from '../../../errors.ts'
import { isTestName } from '../../../policy/author/rego-suite.ts'
import { documentRules, formatRuleDocs, undocumentedIn } from '../../../policy/author/rule-docs.ts'
import { Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'
import { findOpa } from './opa.ts'
import { printableName } from './printable.ts'
import { readAnnotations } from './rego-annotations.ts'
import { headsOf, readSources } from './rego-sources.ts'
import { listSources } from './source-files.ts'

export interface PolicyDocsOptions {
  readonly output?: string
  readonly check?: string
  readonly complete?: boolean
  readonly opa?: string
  readonly json?: boolean
}

/** Writes what METADATA says of rules for people. Throws `Refused` where a file says something else, or nothing is said of a rule. */
export async function runPolicyDocs(
  places: readonly string[],
  options: PolicyDocsOptions,
  terminal: Terminal,
): Promise<void> {
  const { output, check, complete = false, json } = options
  const opa = findOpa(options.opa, process.env, terminal.signal)
  const { files } = await listSources(places)
  const own = files.filter((file) => file.endsWith('.rego') && !file.endsWith('_test.rego'))
  const sources = await readSources(own, places)
  const heads = await headsOf(opa, sources)
  const rules = heads.filter(({ ref }) => !ref.some(isTestName))
  const packages = documentRules(rules, await readAnnotations(opa, sources))
  const text = formatRuleDocs(packages)
  const undocumented = undocumentedIn(packages)
  const isSame = check === undefined || (await readDocs(check)) === text
  const ok = isSame && !(complete && undocumented.length > 0)
  if (output !== undefined) await write(output, text)
  if (json === true) {
    terminal.out(`${JSON.stringify({ version: 1, ok, packages, undocumented })}\n`)
  } else {
    if (output === undefined && check === undefined) terminal.out(text)
    if (!isSame) terminal.err(`${printableName(check)} is not what the sources say\n`)
    if (complete) {
      for (const name of undocumented) terminal.err(`nothing is said of ${printableName(name)}\n`)
    }
  }
  if (!ok) throw new Refused()
}

async function readDocs(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new CountersignError('cli/usage', `--check: cannot be read, got=${quoted(file, 200)}`, {
      cause,
    })
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text)
  } catch (cause) {
    const message = `--output: cannot be written, got=${quoted(file, 200)}`
    throw new CountersignError('cli/usage', message, { cause })
  }
}
