import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml'
import { chartFolder } from './chart.ts'

export interface ChartValue {
  /** `gateway.service.port` */
  readonly path: string
  readonly default: unknown
  /** What `values.yaml` says above it; empty where it says nothing. */
  readonly comment: string
}

/** Every value of `values.yaml` that can be set, in its order. */
export async function readChartValues(): Promise<readonly ChartValue[]> {
  const document = parseDocument(await readFile(join(chartFolder, 'values.yaml'), 'utf8'))
  if (!isMap(document.contents)) throw new Error('values.yaml: want=a map')
  return valuesOf(document.contents, [])
}

function valuesOf(map: YAMLMap, above: readonly string[]): readonly ChartValue[] {
  return map.items.flatMap((pair, at) => {
    const { key, value } = pair
    if (!isScalar(key)) throw new Error('values.yaml: want=plain keys')
    const path = [...above, String(key.value)]
    if (isMap(value) && value.flow !== true && value.items.length > 0) return valuesOf(value, path)
    // The comment above the first key of a map belongs to the map.
    const comment = (at === 0 && above.length > 0 ? map.commentBefore : key.commentBefore) ?? ''
    const plain = isScalar(value) ? value.value : JSON.parse(JSON.stringify(value))
    return [{ path: path.join('.'), default: plain, comment: lastParagraph(comment) }]
  })
}

/** What stands above a blank line is about more than the one value. */
function lastParagraph(comment: string): string {
  return (comment.split('\n\n').at(-1) ?? '').replaceAll(/\s*\n\s*/g, ' ').trim()
}

/** The rows of the table in the chart's README, cell by cell. */
export async function valuesRows(): Promise<readonly (readonly string[])[]> {
  const plain = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '\\<')
  return (await readChartValues()).map(({ path, default: value, comment }) => [
    `\`${path}\``,
    `\`${JSON.stringify(value)}\``,
    plain(comment),
  ])
}
