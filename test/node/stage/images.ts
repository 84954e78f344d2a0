/** The images of the stories, built from this tree: the product's own, and one with the programs of its users. */
import { join } from 'node:path'
import { build } from 'esbuild'
import { writeImageArchive } from '../../../image/archive.ts'
import { file, type LayerEntry } from '../../../image/layer.ts'
import { config, readProduct, reference } from '../../../image/product.ts'
import { nodePath, readRuntime } from '../../../image/runtime.ts'
import type { ImageArchive } from '../rig/node.ts'
import { workloadImage } from './cast.ts'

const root = join(import.meta.dirname, '../../..')

async function bundleWorkloads(): Promise<readonly LayerEntry[]> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['test/node/workloads/agent.ts', 'test/node/workloads/github.ts'],
    outdir: 'app',
    outExtension: { '.js': '.mjs' },
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    logLevel: 'warning',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  })
  return outputFiles.map(({ path, contents }) =>
    file(path.slice(root.length + 1), Buffer.from(contents)),
  )
}

/** Writes both into a folder. */
export async function buildImages(folder: string): Promise<readonly ImageArchive[]> {
  const product = { name: reference, path: join(folder, 'countersign.tar') }
  const workloads = { name: workloadImage, path: join(folder, 'workloads.tar') }
  const { layers } = await readProduct(root)
  await writeImageArchive({ file: product.path, reference, config, layers })
  const names = file('etc/nsswitch.conf', 'hosts: files dns\n')
  await writeImageArchive({
    file: workloads.path,
    reference: workloadImage,
    config: { Entrypoint: [`/${nodePath}`], User: '65532:65532' },
    layers: [[...readRuntime(root).entries, names], await bundleWorkloads()],
  })
  return [product, workloads]
}
