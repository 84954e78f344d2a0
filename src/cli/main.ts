#!/usr/bin/env node
import { processTerminal } from './terminal.ts'

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
  // Started by a gateway or a signer, and by nobody else: only they are listened to.
  if (process.argv[2] === 'test-bundle' && process.send !== undefined) {
    const { runBundleTest } = await import('./run-bundle-test.ts')
    await runBundleTest()
    return
  }
  if (process.argv[2] === 'shadow-bundle' && process.send !== undefined) {
    const { runShadow } = await import('./shadow-process.ts')
    runShadow()
    return
  }
  const terminal = processTerminal()
  const { run } = await import('./program.ts')
  process.exitCode = await run(process.argv.slice(2), terminal)
}
