import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  chartFolder,
  defaultRenderingFile,
  defaultValuesFile,
  helm,
  parseRendering,
  renderChart,
  withoutChance,
} from '../support/chart.ts'

const examples = (await readdir(join(chartFolder, 'examples'))).map((name) =>
  join(chartFolder, 'examples', name),
)

test('the recorded rendering is what the chart renders', async () => {
  const rendered = withoutChance(await renderChart('-f', defaultValuesFile))
  const hint = 'run node test/chart/update.ts, and look at the difference'
  assert.equal(rendered, await readFile(defaultRenderingFile, 'utf8'), hint)
})

for (const file of [defaultValuesFile, ...examples]) {
  test(`helm finds nothing to say of ${file.slice(file.lastIndexOf('/') + 1)}`, async () => {
    const { code, stdout, stderr } = await helm(['lint', '--strict', chartFolder, '-f', file])
    assert.equal(code, 0, stdout + stderr)
    assert.doesNotMatch(stdout, /WARNING|ERROR/)
    for (const object of parseRendering(await renderChart('-f', file))) {
      assert.ok(object.apiVersion && object.kind && object.metadata.name, JSON.stringify(object))
    }
  })
}

test('a rendering leaves no line with blanks at its end', async () => {
  for (const file of examples) {
    assert.doesNotMatch(await renderChart('-f', file), /[ \t]$/m, file)
  }
})
