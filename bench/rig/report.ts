/** How a measurement is printed: a table for people, or one JSON object a line for machines. */
import { availableParallelism, loadavg } from 'node:os'

export type Cell = string | number | undefined

export interface Table {
  readonly bench: string
  /** What stands above the table: what was measured. */
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly { readonly name: string; readonly cells: readonly Cell[] }[]
}

/** Prints the table and a line about the machine; with `json` one object a row instead. */
export function report(table: Table, { json }: { readonly json: boolean }): void {
  const { bench, title, columns, rows } = table
  if (json) {
    for (const { name, cells } of rows) {
      const figures = Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? null]))
      process.stdout.write(`${JSON.stringify({ bench, case: name, ...figures })}\n`)
    }
    return
  }
  const first = Math.max(...rows.map(({ name }) => name.length))
  const widths = columns.map((column, at) =>
    Math.max(column.length, ...rows.map(({ cells }) => textOf(cells[at]).length)),
  )
  const line = (name: string, texts: readonly string[]): string => {
    const padded = texts.map((text, at) => text.padStart(widths[at] ?? 0))
    return `${name.padEnd(first)}  ${padded.join('  ')}`.trimEnd()
  }
  const lines = [
    title,
    line('', columns),
    ...rows.map(({ name, cells }) => line(name, cells.map(textOf))),
    machine(),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

function machine(): string {
  const [load = 0] = loadavg()
  const { node, openssl } = process.versions
  const cores = `${availableParallelism()} cores at a load of ${load.toFixed(1)}`
  return `${new Date().toISOString().slice(0, 10)}, ${cores}, Node ${node}, OpenSSL ${openssl}`
}

function textOf(cell: Cell): string {
  return typeof cell === 'number' ? cell.toLocaleString('en-US') : (cell ?? '')
}

export function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0
}

/** The least figure that so large a share of all does not exceed. */
export function quantile(figures: readonly number[], share: number): number {
  return figures.toSorted((a, b) => a - b)[Math.ceil(figures.length * share) - 1] ?? 0
}

export function rounded(figure: number, digits = 0): number {
  return Number(figure.toFixed(digits))
}
