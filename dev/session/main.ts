import { enableCompileCache, flushCompileCache } from 'node:module'
import { processTerminal } from '../../src/cli/terminal.ts'

// Each test of a bundle that is saved is a process of its own, which finds what this one has compiled and stripped of types.
enableCompileCache()
const { run } = await import('./program.ts')
flushCompileCache()
process.exitCode = await run(process.argv.slice(2), processTerminal())
