/**
 * `npm test`: all that needs Node alone. A process takes a quarter of a second to start and to load what its tests work with, which is
 * longer than most files of tests take. Rooms whose tests share nothing but memory that they make themselves run in one process, beside
 * the others, whose tests have servers, watches and signals, and a process for each file.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

const inOneProcess = 'conformance|dev|identity|image|ledger|mcp|mutations|pki|policy|token'
/** They need what not every machine has, or minutes, and have commands of their own. */
const elsewhere = 'chart|cluster|faults|node|package|sdks'

const options = ['--import', './test/support/compile-cache.ts', '--test', '--test-timeout=120000']

interface Ended {
  readonly printed: string
  readonly code: number | null
}

async function runTests(args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [...options, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [printed, [code]] = await Promise.all([
    text(child.stdout),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { printed, code }
}

const runs = [
  runTests(['--test-isolation=none', `test/@(${inOneProcess})/**/*.test.ts`]),
  runTests([
    '--test-concurrency=4',
    'test/*.test.ts',
    `test/!(${inOneProcess}|${elsewhere})/**/*.test.ts`,
  ]),
]
for (const run of runs) {
  const { printed, code } = await run
  process.stdout.write(printed)
  if (code !== 0) process.exitCode = 1
}
