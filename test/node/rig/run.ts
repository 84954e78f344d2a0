/** Runs `test/node` on a machine that can have a node; elsewhere says so, and that is a failure where CI counts on it. */
import { spawnSync } from 'node:child_process'
import { groups } from '../../tools/programs.ts'
import { toolPath } from '../../tools/build.ts'

/** Why a node cannot be had here, with what to do; undefined when it can. */
function obstacle(): string | undefined {
  if (process.platform !== 'linux') return 'Linux is needed'
  if (process.getuid?.() !== 0)
    return 'root is needed: run it as root, or in a privileged container'
  const kinds = ['--fork', '--pid', '--mount', '--net', '--uts', '--ipc', '--mount-proc']
  const tried = spawnSync('unshare', [...kinds, 'true'], { encoding: 'utf8' })
  if (tried.status !== 0) return `namespaces are refused: ${tried.error?.message ?? tried.stderr}`
  return undefined
}

const missing = (groups['node'] ?? []).filter((name) => toolPath(name) === undefined)
const why = obstacle()
if (why !== undefined) {
  process.stderr.write(`NOT TESTED: no node on this machine, nothing of test/node ran: ${why}\n`)
  process.exitCode = process.env['CI'] === 'true' ? 1 : 0
} else if (missing.length > 0) {
  process.stderr.write(`test:node: error: not built: ${missing.join(', ')}\n`)
  process.stderr.write('hint: npx node test/tools/build.ts node\n')
  process.exitCode = 1
} else {
  const files = process.argv.slice(2)
  const words = ['--test', '--test-concurrency=1', '--test-timeout=900000']
  const chosen = files.length > 0 ? files : ['test/node/**/*.test.ts']
  const ran = spawnSync(process.execPath, [...words, ...chosen], { stdio: 'inherit' })
  process.exitCode = ran.status ?? 1
}
