import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Annotation } from '../../../policy/author/rule-docs.ts'
import type { Opa } from './opa.ts'
import type { Source } from './rego-sources.ts'

interface Inspected {
  readonly annotations?: readonly {
    readonly annotations: {
      readonly scope: string
      readonly title?: string
      readonly description?: string
      readonly entrypoint?: boolean
      readonly custom?: Readonly<Record<string, unknown>>
    }
    readonly location: { readonly file: string; readonly row: number }
    readonly path: readonly { readonly value: unknown }[]
  }[]
  readonly namespaces?: Readonly<Record<string, readonly string[]>>
}

/**
 * What METADATA says of these sources. OPA looks into a folder with all that is there, so it is shown one of them alone. Throws
 * `policy/source` and `policy/opa`.
 */
export async function readAnnotations(
  opa: Opa,
  sources: readonly Source[],
): Promise<readonly Annotation[]> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-sources-'))
  try {
    for (const [at, { text }] of sources.entries()) {
      await writeFile(join(folder, `${at}.rego`), text)
    }
    const words = ['inspect', '--annotations', '--format', 'json', '--', folder]
    const { annotations = [], namespaces = {} } = JSON.parse(await opa.run(words)) as Inspected
    const packages = Object.entries(namespaces).map(([name, files]) => ({ name, files }))
    return annotations.map(({ annotations: said, location, path }) => {
      const [, ...names] = path.map(({ value }) => String(value))
      const own = packages.find(({ files }) => files.includes(location.file))
      const depth = said.scope === 'package' ? names.length : (own?.name.split('.').length ?? 2) - 1
      const number = Number(/(\d+)\.rego$/.exec(location.file)?.[1])
      return {
        ...said,
        packagePath: names.slice(0, depth),
        ref: names.slice(depth),
        file: sources[number]?.name ?? location.file,
        row: location.row,
      }
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}
