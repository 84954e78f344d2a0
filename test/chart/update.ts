/** Writes anew what is made of the chart as it stands: its recorded rendering, and the table of values in its README. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { valuesRows } from '../support/chart-values.ts'
import {
  chartFolder,
  defaultRenderingFile,
  defaultValuesFile,
  renderChart,
  withoutChance,
} from '../support/chart.ts'

await writeFile(defaultRenderingFile, withoutChance(await renderChart('-f', defaultValuesFile)))

const readme = join(chartFolder, 'README.md')
const rows = [['value', 'default', 'what it is'], ['---', '---', '---'], ...(await valuesRows())]
const table = rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
const [head = ''] = (await readFile(readme, 'utf8')).split(/(?<=^## Values\n\n)/m)
const options = await resolveConfig(readme)
await writeFile(readme, await format(`${head}${table}\n`, { ...options, filepath: readme }))
