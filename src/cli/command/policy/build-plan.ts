import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unpackBundle } from '../../../policy/bundle-archive.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'
import { shippedCapabilities } from '../../../policy/engine.ts'
import type { Opa } from './opa.ts'

/**
 * What stands beside sources and is no data: the types of input and data, and every document but `data.json`, of which OPA would make data
 * that rules read. It has a filter for what it leaves out alone.
 */
const besideSources =
  'schemas *.yaml *.yml [^d]*.json d[^a]*.json da[^t]*.json dat[^a]*.json data[^.]*.json .json d.json da.json dat.json data.*.json'
    .split(' ')
    .flatMap((name) => ['--ignore', name])

/** Holds sources to the types of input and data, where these stand beside them. Throws `policy/source` and `policy/opa`. */
export async function checkTypes(opa: Opa, places: readonly string[]): Promise<void> {
  for (const place of places) {
    const schemas = join(place, 'schemas')
    const isThere = await stat(schemas).then(
      (found) => found.isDirectory(),
      () => false,
    )
    if (!isThere) continue
    const settings = ['--strict', '--schema', schemas, '--capabilities', shippedCapabilities]
    await opa.run(['check', ...settings, ...besideSources, '--', ...places])
    return
  }
}

/**
 * Builds a bundle of sources with OPA's compiler, held to what the engine can run. `-O0`: the optimiser would take the bundle's own data for
 * final; without pruning, functions that entrypoints call would be entrypoints too, which functions cannot be. Throws `policy/source` and `policy/opa`.
 */
export async function buildBundle(
  opa: Opa,
  places: readonly string[],
  how: {
    readonly target: 'plan' | 'wasm'
    readonly entrypoints: readonly string[]
    readonly more?: readonly string[]
  },
): Promise<BundleContent> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-policy-'))
  try {
    const archive = join(folder, 'bundle.tar.gz')
    const names = how.entrypoints.flatMap((name) => ['--entrypoint', name])
    const settings = [
      '-t',
      how.target,
      '-O0',
      '--prune-unused',
      '--capabilities',
      shippedCapabilities,
      ...besideSources,
    ]
    const words = ['build', ...settings, ...(how.more ?? []), ...names, '--output', archive]
    // After `--` no name of a place is taken for an option.
    await opa.run([...words, '--', ...places])
    return await unpackBundle(await readFile(archive))
  } finally {
    await rm(folder, { recursive: true })
  }
}
