/**
 * Makes the image, without a daemon: `npm run image` writes into dist/image the OCI archive, its bill of materials, and the same
 * files as a folder for the Dockerfile. SOURCE_DATE_EPOCH is the time of everything inside, 1970 by default.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import { writeImageArchive } from './archive.ts'
import { writeTree } from './layer.ts'
import { config, readProduct, reference } from './product.ts'

const root = join(import.meta.dirname, '..')
const folder = join(root, 'dist', 'image')
const { layers, billOfMaterials } = await readProduct(root)
await mkdir(folder, { recursive: true })
await writeTree(join(folder, 'rootfs'), layers.flat())
await writeFile(join(folder, `countersign-${manifest.version}.cdx.json`), billOfMaterials)
const { digest, archiveBytes, contentBytes } = await writeImageArchive({
  file: join(folder, `countersign-${manifest.version}.tar`),
  reference,
  config,
  layers,
  createdSeconds: Number(process.env['SOURCE_DATE_EPOCH'] ?? 0),
})
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
process.stdout.write(
  `${reference} ${digest}: ${megabytes(contentBytes)} unpacked, ${megabytes(archiveBytes)} as archive\n`,
)
