/**
 * Takes each defence away in turn, and runs the tests that prove its claim: one of them has to fail.
 * `npm run test:mutations [-- --only <text>] [--write]`. Exits 1 when a defence can go and no test notices.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { citations } from '../support/citations.ts'
import { root } from '../support/source-tree.ts'
import { formatReport, type Outcome } from './report.ts'
import type { Mutation } from './mutation.ts'
import { mutations } from './table.ts'

const { values } = parseArgs({
  options: { only: { type: 'string' }, write: { type: 'boolean', default: false } },
})

/** A copy of the tree, so that no defence is ever missing from the one that is worked on. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'countersign-mutations-'))
  const skipped = new Set(['node_modules', '.git', 'dist'].map((name) => join(root, name)))
  cpSync(root, copy, { recursive: true, filter: (path) => !skipped.has(path) })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** Runs node, and ends it as soon as what it prints says enough. */
async function run(
  args: readonly string[],
  cwd: string,
  isEnough: (text: string) => boolean = () => false,
): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (isEnough(text)) child.kill()
    })
  }
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, text }
}

function runTests(files: readonly string[], cwd: string, named?: string): ReturnType<typeof run> {
  const options = ['--test', '--test-reporter=tap', '--test-timeout=30000', '--test-force-exit']
  if (named !== undefined) options.push(`--test-name-pattern=${named}`)
  return run([...options, ...files], cwd, (text) => firstFailure(text) !== undefined)
}

/** The title of the first test that failed; of tests within tests, the innermost stands first. */
function firstFailure(text: string): string | undefined {
  return /^\s*not ok \d+ - (?<title>.*)\n/m.exec(text)?.groups?.['title']
}

async function loads(file: string, copy: string): Promise<boolean> {
  if (file.endsWith('.json')) return true
  const { code } = await run(['--input-type=module', '--eval', `await import('./${file}')`], copy)
  return code === 0
}

/** Suites that need more than Node, or minutes: they are run where nothing else proves a claim. */
const elsewhere = /^test\/(chart|cluster|faults|node|package|sdks)\//

function testsOf({ claim, tests }: Mutation): readonly string[] {
  if (tests !== undefined) return tests
  const citing = (cited.get(claim) ?? []).filter((path) => path.endsWith('.ts'))
  const near = citing.filter((path) => !elsewhere.test(path))
  // Without a file to run Node would run all that there are.
  if (citing.length === 0) throw new Error(`no test cites ${claim}`)
  return near.length > 0 ? near : citing
}

async function tryWithout(mutation: Mutation, copy: string): Promise<Outcome> {
  const { file, edits } = mutation
  const path = join(copy, file)
  const whole = readFileSync(path, 'utf8')
  const mutated = edits.reduce((text, [from, to]) => text.replace(from, () => to), whole)
  writeFileSync(path, mutated)
  try {
    // What does not even load would be noticed by any test, and prove nothing.
    if (!(await loads(file, copy))) {
      return { mutation, failed: undefined, broken: 'it does not load' }
    }
    const { code, text } = await runTests(testsOf(mutation), copy, mutation.named)
    // A name that no test has, or one that had not been registered yet when those before it were through.
    if (code === 0) {
      const broken = /^# pass [1-9]/m.test(text) ? undefined : 'no test ran'
      return { mutation, failed: undefined, broken }
    }
    const failed = firstFailure(text)
    return { mutation, failed, broken: failed === undefined ? 'no test ran' : undefined }
  } finally {
    writeFileSync(path, whole)
  }
}

const cited = citations()
const { only = '' } = values
const chosen = mutations.filter(({ claim, file }) => `${claim} ${file}`.includes(only))
if (chosen.length === 0) throw new Error(`no defence has this in its claim or file: ${only}`)
const copy = copyTree()
const outcomes: Outcome[] = []
try {
  const tests = new Set(chosen.flatMap(testsOf))
  console.log(
    `${chosen.length} defences, proved by ${tests.size} test files; first all of them whole`,
  )
  const baseline = await runTests([...tests], copy)
  if (baseline.code !== 0) {
    throw new Error(`tests fail with every defence in place: ${firstFailure(baseline.text)}`)
  }
  for (const mutation of chosen) {
    const started = performance.now()
    const outcome = await tryWithout(mutation, copy)
    outcomes.push(outcome)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    const { failed, broken } = outcome
    const what = failed === undefined ? (broken ?? 'NOBODY NOTICED') : `noticed by: ${failed}`
    console.log(`${mutation.claim} (${mutation.without}) ${seconds} s, ${what}`)
  }
} finally {
  rmSync(copy, { recursive: true })
}
if (values.write) {
  const page = join(root, 'docs', 'MUTATIONS.md')
  writeFileSync(page, formatReport(outcomes, readFileSync(page, 'utf8')))
}
const survived = outcomes.filter(({ failed }) => failed === undefined)
console.log(`${outcomes.length - survived.length} of ${outcomes.length} noticed`)
process.exitCode = survived.length === 0 ? 0 : 1
