/** Writes `test/vectors/chart/default.yaml` anew, from the chart as it stands. */
import { writeFile } from 'node:fs/promises'
import {
  defaultRenderingFile,
  defaultValuesFile,
  renderChart,
  withoutChance,
} from '../support/chart.ts'

await writeFile(defaultRenderingFile, withoutChance(await renderChart('-f', defaultValuesFile)))
