import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import type { ImageConfig } from './archive.ts'
import { bundleProgram, mainModule } from './bundle.ts'
import { copied, file, type LayerEntry } from './layer.ts'
import { makeProgram } from './program.ts'
import { formatBillOfMaterials, licenceEntries, readPackages } from './part.ts'
import { nodePath, readRuntime } from './runtime.ts'

const home = 'opt/countersign'
/** The bundled program looks for its policy two folders above itself, as the unbundled one does. */
const programFolder = `${home}/dist/cli`

/** Nobody's number on a usual node, and what the chart's pods run as. */
const user = '65532'

export const reference: string = `docker.io/library/countersign:${manifest.version}`

/**
 * The program gives back what its start took, see `serveUntilStopped`. V8 lets its young generation grow to many times this under load
 * and keeps what it took; a call leaves little that survives, so that more of it makes nothing quicker.
 * Nothing in it asks for `eval` or `Function`, so nobody has them.
 */
const nodeOptions = [
  '--expose-gc',
  '--max-semi-space-size=8',
  '--disallow-code-generation-from-strings',
]

/** One arena of glibc's for all threads: those beside ours seldom allocate, and each arena keeps what it has freed. */
const environment = ['MALLOC_ARENA_MAX=1']

export const config: ImageConfig = {
  User: `${user}:${user}`,
  WorkingDir: '/',
  Env: environment,
  Entrypoint: [`/${nodePath}`, ...nodeOptions, `/${programFolder}/${mainModule}`],
  Cmd: ['--help'],
  Labels: {
    'org.opencontainers.image.title': manifest.name,
    'org.opencontainers.image.description': manifest.description,
    'org.opencontainers.image.version': manifest.version,
    'org.opencontainers.image.licenses': manifest.license,
  },
}

/** What the image holds: the layer that changes with Node or the C library, then the one that changes with the product. */
export async function readProduct(root: string): Promise<{
  readonly layers: readonly (readonly LayerEntry[])[]
  readonly billOfMaterials: string
}> {
  const runtime = readRuntime(root)
  const bundle = await bundleProgram(root)
  const parts = [...runtime.parts, ...readPackages(root, bundle.packageFolders)]
  const billOfMaterials = formatBillOfMaterials({ ...manifest, licence: manifest.license }, parts)
  const policy = join(root, 'policies', 'bundle')
  return {
    billOfMaterials,
    layers: [
      [
        ...runtime.entries,
        file('etc/passwd', `countersign:x:${user}:${user}::/:/nonexistent\n`),
        file('etc/group', `countersign:x:${user}:\n`),
        file('etc/nsswitch.conf', 'hosts: files dns\n'),
      ],
      [
        ...[...bundle.files].map(([name, data]) => file(`${programFolder}/${name}`, data)),
        file(`${home}/dist/program.mjs`, makeProgram(root)),
        ...readdirSync(policy).map((name) =>
          copied(`${home}/policies/bundle/${name}`, join(policy, name)),
        ),
        copied(`${home}/LICENSE`, join(root, 'LICENSE')),
        copied(`${home}/NOTICE`, join(root, 'NOTICE')),
        ...licenceEntries(`${home}/licenses`, parts),
        file(`${home}/sbom.cdx.json`, billOfMaterials),
      ],
    ],
  }
}
