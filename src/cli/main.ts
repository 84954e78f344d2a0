#!/usr/bin/env node
const nodeMajorMin = 24

const [major] = process.versions.node.split('.')
if (Number(major) >= nodeMajorMin) await main()
else {
  process.stderr.write(
    `countersign: error: Node.js: want=${nodeMajorMin} or newer got=${process.versions.node} (cli/usage)\n`,
  )
  process.exitCode = 2
}

/** Everything else is loaded here: older versions of Node fail in the middle of loading it. */
async function main(): Promise<void> {
  const { run } = await import('./program.ts')
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort())
  process.once('SIGINT', () => stop.abort())
  process.exitCode = await run(process.argv.slice(2), {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    signal: stop.signal,
  })
}
