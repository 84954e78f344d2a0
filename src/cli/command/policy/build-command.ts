import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { CountersignError } from '../../../errors.ts'
import { bundleOctetsMax, contentOf } from '../../../policy/bundle-content.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'
import { entrypoints } from '../../../policy/engine.ts'
import { tenantEntrypoint, tenantRoot } from '../../../policy/tenant/tenant-policy.ts'
import { openSelfTest } from '../../policy-files.ts'
import type { Terminal } from '../../terminal.ts'
import { buildBundle, checkTypes } from './build-plan.ts'
import { findOpa } from './opa.ts'
import type { Opa } from './opa.ts'
import { listSources, readSource } from './source-files.ts'
import type { Sources } from './source-files.ts'
import { writeArchive } from './write-archive.ts'

export interface PolicyBuildOptions {
  readonly output?: string
  readonly revision?: string
  readonly tenant?: string
  readonly opa?: string
  readonly json?: boolean
}

/** Builds sources into a bundle that a gateway takes, and writes none that it would refuse. Throws `policy/…`. */
export async function runPolicyBuild(
  places: readonly string[],
  options: PolicyBuildOptions,
  terminal: Terminal,
): Promise<void> {
  const { output, tenant } = options
  if (output === undefined) throw new CountersignError('cli/usage', '--output: want=file got=none')
  const content = await build(findOpa(options.opa, process.env, terminal.signal), places, options)
  await openSelfTest()({ content, documents: [], engine: undefined, tenant }, terminal.signal)
  await writeArchive(output, content.files)
  const { revision } = JSON.parse(String(content.files.get('.manifest'))) as { revision: string }
  const document = { version: 1, ok: true, revision, files: content.files.size, output }
  if (options.json === true) terminal.out(`${JSON.stringify(document)}\n`)
  else terminal.out(`revision ${revision}, ${content.files.size} files, in ${output}\n`)
}

/** The rules as OPA's plan, which is enforced, and the same rules as a module, the second opinion. */
async function build(
  opa: Opa,
  places: readonly string[],
  { revision, tenant }: PolicyBuildOptions,
): Promise<BundleContent> {
  const sources = await listSources(places)
  const asked = tenant === undefined ? Object.values(entrypoints) : [tenantEntrypoint(tenant)]
  const how = { entrypoints: asked, more: ['--ignore', '*_test.rego'] }
  const [types, planned, compiled] = await Promise.allSettled([
    checkTypes(opa, places),
    buildBundle(opa, places, { ...how, target: 'plan' }),
    buildBundle(opa, places, { ...how, target: 'wasm' }),
  ])
  // What is wrong with the types is told first, whoever was faster.
  valueOf(types)
  const [plan, module] = [valueOf(planned), valueOf(compiled)]
  const files = new Map<string, Buffer>()
  for (const [name, { files: from }] of [
    ['plan.json', plan],
    ['policy.wasm', module],
    ['data.json', module],
  ] as const) {
    files.set(name, from.get(name) ?? Buffer.from('{}'))
  }
  const hash = createHash('sha256')
  for (const octets of files.values()) hash.update(octets)
  const manifest = JSON.parse(String(module.files.get('.manifest') ?? '{}')) as object
  const roots = tenant === undefined ? {} : { roots: [tenantRoot(tenant)] }
  const own = {
    ...manifest,
    ...roots,
    revision: revision ?? `sha256:${hash.digest('hex').slice(0, 32)}`,
  }
  files.set('.manifest', Buffer.from(`${JSON.stringify(own, null, 2)}\n`))
  const schemas = await schemasIn(sources)
  if (schemas !== undefined) files.set('schemas.json', schemas)
  return contentOf(files)
}

function valueOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason
  return settled.value
}

/** What the data may hold is said beside the sources, where its author wants it checked. */
async function schemasIn({ places, files }: Sources): Promise<Buffer | undefined> {
  const file = places.map((place) => join(place, 'schemas.json')).find((at) => files.includes(at))
  return file === undefined ? undefined : await readSource(file, bundleOctetsMax)
}
