/**
 * Runs `npm test` again and again beside processes that spin, and tells which tests failed how often:
 * `npm run test:busy [-- <runs> [<spinning>]]`, twenty runs beside two unless told. Exits 1 when any did.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

function spin(): ChildProcess {
  return spawn(process.execPath, ['--eval', 'for (;;);'], { stdio: 'ignore' })
}

/** Behind the heading of the failures each is a place, then a title. */
const failurePattern = /^test at (?<place>\S+?):\d+:\d+\n✖ (?<title>.*) \([\d.]+ms\)$/gm

/** Gives `<file>: <title>` of each test that failed. */
async function runTests(): Promise<readonly string[]> {
  const child = spawn('npm', ['test'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  const failed = [...text.matchAll(failurePattern)].map(
    ({ groups }) => `${groups?.['place']}: ${groups?.['title']}`,
  )
  return code !== 0 && failed.length === 0 ? [`no test: exit code ${code}`] : failed
}

const [runs = 20, spinning = 2] = process.argv.slice(2).map(Number)
const spinners = Array.from({ length: spinning }, spin)
const counts = new Map<string, number>()
try {
  for (let run = 1; run <= runs; run += 1) {
    const start = performance.now()
    const failures = await runTests()
    const seconds = Math.round((performance.now() - start) / 1000)
    console.log(`run ${run} of ${runs}: ${seconds} s, ${failures.length} failed`)
    for (const failure of failures) {
      console.log(`  ${failure}`)
      counts.set(failure, (counts.get(failure) ?? 0) + 1)
    }
  }
} finally {
  for (const spinner of spinners) spinner.kill('SIGKILL')
}
for (const [failure, count] of [...counts].toSorted(([, left], [, right]) => right - left)) {
  console.log(`${count} of ${runs}: ${failure}`)
}
process.exitCode = counts.size === 0 ? 0 : 1
