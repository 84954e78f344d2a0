import type { KubeObject } from '../kube-object.ts'
import { humanDuration } from './human-duration.ts'

export type Cell = string | number | boolean | null

/** One column of a table that the server makes, and how to fill it. */
export interface Column {
  readonly name: string
  readonly type: string
  readonly format?: string
  /** 0 is always shown; others are for `-o wide`. */
  readonly priority?: number
  readonly cell: (object: KubeObject, now: number) => Cell
}

export const none = '<none>'

/** The time since then in a few figures. */
export function ageOf(time: unknown, now: number): string {
  const at = typeof time === 'string' ? Date.parse(time) : NaN
  return Number.isNaN(at) ? '<unknown>' : humanDuration((now - at) / 1000)
}

export function text(name: string, cell: Column['cell']): Column {
  return { name, type: 'string', cell }
}

/** For `-o wide` only. */
export function wide(name: string, cell: Column['cell']): Column {
  return { name, type: 'string', priority: 1, cell }
}

export const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  cell: ({ metadata }) => metadata.name,
}

export const ageColumn: Column = text('Age', ({ metadata }, now) =>
  ageOf(metadata.creationTimestamp, now),
)
