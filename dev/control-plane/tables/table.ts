import { encode } from '../decode.ts'
import { notSupported } from '../field-error.ts'
import type { KubeObject } from '../kube-object.ts'
import { resourceKey, type ResourceType } from '../resource-type.ts'
import { unprocessable } from '../status.ts'
import { builtInColumns, plainColumns } from './built-in-columns.ts'
import type { Column } from './column.ts'

const apiVersion = 'meta.k8s.io/v1'

/** How much of the object goes with its row. */
export type IncludedObject = 'None' | 'Metadata' | 'Object'

const includedObjects: readonly IncludedObject[] = ['None', 'Metadata', 'Object']

export function parseIncludedObject(query: URLSearchParams): IncludedObject {
  const asked = query.get('includeObject') ?? ''
  if (asked === '') return 'Metadata'
  const known = includedObjects.find((included) => included === asked)
  if (known !== undefined) return known
  const subject = { group: 'meta.k8s.io', kind: 'TableOptions', name: '' }
  throw unprocessable(subject, [notSupported('includeObject', asked, includedObjects)])
}

export interface TableOptions {
  readonly type: ResourceType
  readonly version: string
  readonly included: IncludedObject
  readonly now: number
  /** Metadata of the list, or of the one object. */
  readonly metadata: object
  /** Left out in all events of a watch but the first. */
  readonly hasHeaders?: boolean
}

/** The table that `kubectl get` prints. */
export function tableOf(objects: readonly KubeObject[], options: TableOptions): object {
  const { type, version, metadata, now, hasHeaders = true } = options
  const columns = columnsOf(type, version)
  return {
    kind: 'Table',
    apiVersion,
    metadata,
    columnDefinitions: hasHeaders ? columns.map(definitionOf) : null,
    rows: objects.map((object) => ({
      cells: columns.map(({ cell }) => cell(object, now)),
      object: includedOf(object, options),
    })),
  }
}

export function columnsOf(type: ResourceType, version: string): readonly Column[] {
  const key = resourceKey(type)
  const own = Object.hasOwn(builtInColumns, key) ? builtInColumns[key] : undefined
  return type.columns?.(version) ?? own ?? plainColumns
}

function definitionOf({ name, type, format = '', priority = 0 }: Column): object {
  return { name, type, format, description: '', priority }
}

function includedOf(object: KubeObject, options: TableOptions): object | null {
  const { type, version, included } = options
  if (included === 'None') return null
  return included === 'Object' ? encode(object, type, version) : metadataOnly(object)
}

/** An object as those see it who asked for its metadata alone. */
export function metadataOnly({ metadata }: KubeObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion, metadata }
}
