/** The conformance suite of the protocol's own project: what it scores, and what it says of a server. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { installNpm } from '../tools/npm.ts'
import type { Check, Results } from './compare.ts'

export interface Suite {
  /** The scenarios that conformance to a revision requires. */
  scored(revision: string): Promise<readonly string[]>
  run(url: string, revision: string): Promise<Results>
}

export async function openSuite(): Promise<Suite> {
  const modules = await installNpm(join(import.meta.dirname, 'suite'))
  const folder = join(modules, '@modelcontextprotocol', 'conformance')
  const program = join(folder, 'dist', 'index.js')
  const requirements = (revision: string): string =>
    join(folder, 'requirements', `${revision}.yaml`)
  return {
    async scored(revision) {
      const file = requirements(revision)
      if (existsSync(file)) {
        return (parse(await readFile(file, 'utf8')) as { server: readonly string[] }).server
      }
      // No set was frozen when this revision came out: all that applies to it is scored.
      const listed = await runProgram([program, 'list', '--server', '--spec-version', revision])
      return [...listed.matchAll(/^ {2}- (\S+)/gm)].map(([, name = '']) => name)
    },
    async run(url, revision) {
      const output = await mkdtemp(join(tmpdir(), 'countersign-conformance-'))
      const chosen = existsSync(requirements(revision))
        ? ['--requirements', revision]
        : ['--spec-version', revision, '--suite', 'all']
      try {
        // Its exit code says whether all of them pass, which the checks say better.
        await runProgram([program, 'server', '--url', url, ...chosen, '-o', output])
        return await readResults(output)
      } finally {
        await rm(output, { recursive: true, force: true })
      }
    },
  }
}

async function runProgram(words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  return output
}

async function readResults(output: string): Promise<Results> {
  const results = new Map<string, readonly Check[]>()
  for (const name of await readdir(output)) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(name)?.[1]
    const file = join(output, name, 'checks.json')
    if (scenario === undefined || !existsSync(file)) continue
    results.set(scenario, JSON.parse(await readFile(file, 'utf8')) as readonly Check[])
  }
  return results
}
