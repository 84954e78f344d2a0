import type { Cell } from './judge.ts'

const begin = '<!-- the matrix: npm run test:matrix -- --write -->'
const end = '<!-- end of the matrix -->'

/** A row for each client, a column for each server: the revision that they speak, and what does not work of what was tried. */
export function formatTable(rows: ReadonlyMap<string, ReadonlyMap<string, Cell>>): string {
  const [first] = rows.values()
  const servers = [...(first?.keys() ?? [])]
  const lines = [
    ['client', ...servers],
    ['---', ...servers.map(() => '---')],
    ...[...rows].map(([client, cells]) => [
      client,
      ...servers.map((server) => formatCell(cells.get(server))),
    ]),
  ]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function formatCell(cell: Cell | undefined): string {
  if (cell?.revision === undefined) return 'no connection'
  const { revision, fails } = cell
  const without = fails.map(({ step }) => step)
  return without.length === 0 ? revision : `${revision}, not ${without.join(', ')}`
}

/** The page with this table between its marks. Columns are padded as the formatter pads them. */
export function replaceTable(page: string, table: string): string {
  const [before = '', rest = ''] = page.split(begin)
  const [, after] = rest.split(end)
  if (after === undefined) throw new Error('the page has no marks around its table')
  return `${before}${begin}\n\n${pad(table)}\n\n${end}${after}`
}

function pad(table: string): string {
  const rows = table.split('\n').map((line) => line.slice(2, -2).split(' | '))
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((cells) => cells[at]?.length ?? 0)),
  )
  const padded = rows.map((cells, row) =>
    cells.map((cell, at) =>
      row === 1 ? '-'.repeat(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
    ),
  )
  return padded.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
