/** Judges the Rego with the opa that test/tools pins: `npm run test:policies`. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { toolPath } from './build.ts'

const root = join(import.meta.dirname, '..', '..')
const capabilities = ['--capabilities', 'policies/capabilities.json']

const steps: readonly (readonly string[])[] = [
  ['fmt', '--list', '--fail', 'policies/countersign'],
  ['check', '--strict', ...capabilities, '--schema', 'policies/schemas', 'policies/countersign'],
  ['test', ...capabilities, 'policies/countersign'],
]

const opa = toolPath('opa')
if (opa === undefined) {
  process.stderr.write(
    'policies: error: opa is not built\nhint: npx node test/tools/build.ts opa\n',
  )
  process.exitCode = 2
} else {
  for (const step of steps) {
    const { status } = spawnSync(opa, step, { cwd: root, stdio: 'inherit' })
    if (status !== 0) process.exitCode = 1
  }
}
