import { readFileSync } from 'node:fs'
import type { KubeObject } from '../../dev/control-plane/kube-object.ts'
import { ResourceTable } from '../../dev/control-plane/resource-table.ts'
import { columnsOf } from '../../dev/control-plane/tables/table.ts'
import type { Cell } from '../../dev/control-plane/tables/column.ts'
import { definitions } from './table-cases.ts'

export const tableMedia = 'application/json;as=Table;v=v1;g=meta.k8s.io'

export const vectorsFile: URL = new URL('../vectors/kubernetes/tables.ndjson', import.meta.url)

export interface TableColumn {
  readonly name: string
  readonly type: string
  readonly format: string
  readonly priority: number
}

/** What a real API server showed of an object at a time. */
export interface TableVector {
  readonly case: string
  /** Of the collection. */
  readonly path: string
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly columns: readonly TableColumn[]
  readonly object: KubeObject
  readonly cells: readonly Cell[]
}

export function readTableVectors(): readonly TableVector[] {
  const lines = readFileSync(vectorsFile, 'utf8').trimEnd().split('\n')
  return lines.slice(1).map((line) => JSON.parse(line) as TableVector)
}

const table = new ResourceTable({ podCertificateVersions: ['v1'] })
for (const definition of definitions) table.define(definition as unknown as KubeObject)

/** The same object, as the embedded control plane shows it. */
export function shownAs(vector: Pick<TableVector, 'path' | 'object' | 'now'>): {
  readonly columns: readonly TableColumn[]
  readonly cells: readonly Cell[]
} {
  const parts = vector.path.split('/').slice(1)
  const isCore = parts[0] === 'api'
  const [group = '', version = ''] = isCore ? ['', parts[1]] : parts.slice(1)
  const type = table.find(group, version, parts.at(-1) ?? '')
  if (type === undefined) throw new Error(`${vector.path}: no such resource`)
  const columns = columnsOf(type, version)
  return {
    columns: columns.map(({ name, type: of, format = '', priority = 0 }) => {
      return { name, type: of, format, priority }
    }),
    cells: columns.map(({ cell }) => cell(vector.object, vector.now)),
  }
}
