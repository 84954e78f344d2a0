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
    entryPoints: ['agent', 'github', 'github-revocations'].map(
      (name) => `test/node/workloads/${name}.ts`,
    ),
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

/** An image of Node with the programs of the product's users, that runs one of them unless told otherwise. */
async function writeWorkloads(options: {
  readonly name: string
  readonly path: string
  readonly program?: string
}): Promise<ImageArchive> {
  const { name, path, program } = options
  const names = file('etc/nsswitch.conf', 'hosts: files dns\n')
  await writeImageArchive({
    file: path,
    reference: name,
    config: {
      Entrypoint: [`/${nodePath}`],
      ...(program === undefined ? {} : { Cmd: [`/app/${program}.mjs`] }),
      User: '65532:65532',
    },
    layers: [[...readRuntime(root).entries, names], await bundleWorkloads()],
  })
  return { name, path }
}

async function writeProduct(path: string): Promise<ImageArchive> {
  const { layers } = await readProduct(root)
  await writeImageArchive({ file: path, reference, config, layers })
  return { name: reference, path }
}

/** Writes both into a folder. */
export async function buildImages(folder: string): Promise<readonly ImageArchive[]> {
  return [
    await writeProduct(join(folder, 'countersign.tar')),
    await writeWorkloads({ name: workloadImage, path: join(folder, 'workloads.tar') }),
  ]
}

/** The product, and what the quick starts call the images of their readers. */
export async function buildReadersImages(folder: string): Promise<readonly ImageArchive[]> {
  const images = [await writeProduct(join(folder, 'countersign.tar'))]
  for (const [name, program] of [
    ['your-agent:1', 'agent'],
    ['your-tool-server:1', 'github'],
    ['your-tool-server:2', 'github-revocations'],
  ] as const) {
    const path = join(folder, `${program}.tar`)
    images.push(await writeWorkloads({ name: `docker.io/library/${name}`, path, program }))
  }
  return images
}
