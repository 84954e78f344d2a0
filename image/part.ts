import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { file, type LayerEntry } from './layer.ts'

/** A work of others in the image, with what its licence asks us to pass on. */
export interface Part {
  readonly kind: 'library' | 'platform'
  readonly name: string
  readonly version: string
  /** An SPDX expression. */
  readonly licence: string
  readonly purl: string
  /** Subresource integrity of the archive that it came in, where a registry gives one. */
  readonly integrity?: string
  readonly licenceFiles: ReadonlyMap<string, Buffer>
}

interface Lockfile {
  readonly packages: Readonly<
    Record<string, { readonly integrity?: string; readonly dev?: boolean }>
  >
}

/** The npm packages in these folders. Each has to be one that the lockfile installs for production. */
export function readPackages(root: string, folders: readonly string[]): readonly Part[] {
  const lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile
  const parts = folders.map((folder): Part => {
    const locked = lockfile.packages[folder]
    if (locked?.integrity === undefined || locked.dev === true) {
      throw new Error(`want=a production dependency of package-lock.json got=${folder}`)
    }
    const path = join(root, folder)
    const manifest = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as {
      readonly name: string
      readonly version: string
      readonly license?: string
    }
    const { name, version, license } = manifest
    if (license === undefined) throw new Error(`want=a licence got=none: ${folder}`)
    const licences = readdirSync(path).filter((each) => /^(licen[cs]e|copying|notice)/i.test(each))
    // Without a file of its own, the manifest is the only place where its author names the licence.
    const names = licences.length > 0 ? licences : ['package.json']
    return {
      kind: 'library',
      name,
      version,
      licence: license,
      purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
      integrity: locked.integrity,
      licenceFiles: new Map(names.toSorted().map((each) => [each, readFileSync(join(path, each))])),
    }
  })
  // One version may be installed in two places.
  return [...new Map(parts.map((part) => [part.purl, part])).values()]
}

/** The licence files of all parts, one folder a part. */
export function licenceEntries(folder: string, parts: readonly Part[]): readonly LayerEntry[] {
  return parts.flatMap(({ name, version, licenceFiles }) =>
    [...licenceFiles].map(([each, data]) => file(`${folder}/${name}@${version}/${each}`, data)),
  )
}

/** The software bill of materials: CycloneDX 1.6 JSON, without a time or a serial number, so that it is the same each time. */
export function formatBillOfMaterials(
  product: { readonly name: string; readonly version: string; readonly licence: string },
  parts: readonly Part[],
): string {
  const purl = `pkg:npm/${product.name}@${product.version}`
  const { name, version } = product
  const components = parts.map((part) => ({
    type: part.kind,
    'bom-ref': part.purl,
    name: part.name,
    version: part.version,
    purl: part.purl,
    licenses: licencesOf(part.licence),
    ...(part.integrity === undefined ? {} : { hashes: [hashOf(part.integrity)] }),
  }))
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': purl,
        name,
        version,
        purl,
        licenses: licencesOf(product.licence),
      },
    },
    components,
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

function licencesOf(licence: string): readonly object[] {
  return [licence.includes(' ') ? { expression: licence } : { license: { id: licence } }]
}

function hashOf(integrity: string): { alg: string; content: string } {
  const [algorithm, base64 = ''] = integrity.split('-')
  if (algorithm !== 'sha512') throw new Error(`want=sha512 got=${integrity}`)
  return { alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') }
}
