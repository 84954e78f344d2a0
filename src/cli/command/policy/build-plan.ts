import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unpackBundle } from '../../../policy/bundle-archive.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'
import { shippedCapabilities } from '../../../policy/engine.ts'
import type { Opa } from './opa.ts'

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
    ]
    const words = ['build', ...settings, ...(how.more ?? []), ...names, '--output', archive]
    await opa.run([...words, ...places])
    return await unpackBundle(await readFile(archive))
  } finally {
    await rm(folder, { recursive: true })
  }
}
