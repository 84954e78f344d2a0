import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSources } from '../../dev/session/follow-sources.ts'
import { run } from '../../src/cli/program.ts'
import type { BundleContent } from '../../src/policy/bundle-content.ts'
import { readBundle } from '../../src/policy/bundle-place.ts'
import { toolPath } from '../../test/tools/build.ts'

/** Sources with one more rule, none of whose bodies holds of the call, and the bundle that is made of them. */
export async function buildBodies(folder: string, count: number): Promise<BundleContent> {
  const opa = toolPath('opa')
  if (opa === undefined) throw new Error('no opa; hint: node test/tools/build.ts opa')
  process.env['COUNTERSIGN_OPA'] = opa
  const sources = join(folder, 'sources')
  const quiet = { out: () => {}, err: () => {}, signal: new AbortController().signal }
  await run(['policy', 'new', sources], quiet)
  const custom = join(sources, 'countersign', 'custom')
  mkdirSync(custom, { recursive: true })
  const bodies = Array.from(
    { length: count },
    (_, at) => `blocked if input.context.arguments.path == "secret/${at}"\n`,
  )
  const denial = 'deny contains {"code": "blocked", "message": "not there"} if blocked'
  writeFileSync(
    join(custom, 'bodies.rego'),
    ['package countersign.custom\n', `${denial}\n`, ...bodies].join('\n'),
  )
  const bundle = join(folder, 'bundle.tar.gz')
  const problem = await buildSources({ sources, bundle, signal: quiet.signal })
  if (problem !== undefined) throw new Error(problem)
  return readBundle(bundle)
}
