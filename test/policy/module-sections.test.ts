import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseBundle } from '../../src/policy/bundle.ts'
import { requirement } from '../requirements.ts'
import { contentWith } from './archive.ts'
import { assembleModule } from './policy-module.ts'

const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

function parse(wasm: Uint8Array): Promise<unknown> {
  const files = { '.manifest': '{"revision":"r1"}', 'policy.wasm': wasm, 'data.json': '{}' }
  return parseBundle(contentWith(files))
}

const own = /^policy\.wasm has a memory of its own, want=env\.memory alone$/
const growing = /^policy\.wasm has a table that is none of functions, or that may grow for ever$/

const refused: Readonly<Record<string, readonly [readonly number[], RegExp]>> = {
  'memory of its own': [[5, 3, 1, 0, 1], own],
  'memory of its own that nothing is in yet': [[5, 4, 1, 1, 0, 16], own],
  'a table without a maximum': [[4, 4, 1, 0x70, 0, 1], growing],
  'a table of anything': [[4, 5, 1, 0x6f, 1, 1, 1], growing],
  'a large table': [
    [4, 7, 1, 0x70, 1, 1, 0x81, 0x80, 4],
    /^tables of policy\.wasm are too large, want=\.\.65536 got=65537$/,
  ],
  'tables that are large together': [
    [4, 13, 2, 0x70, 1, 1, 0xff, 0xff, 3, 0x70, 1, 1, 0xff, 0xff, 3],
    /^tables of policy\.wasm are too large, want=\.\.65536 got=131070$/,
  ],
}

for (const [what, [octets, message]] of Object.entries(refused)) {
  test(`a module with ${what} is refused before it is run`, async () => {
    requirement('policy.tenant-fails-alone')
    const wasm = Uint8Array.from([...head, ...octets])
    // It is a module.
    await WebAssembly.compile(wasm)
    await assert.rejects(parse(wasm), { code: 'policy/bundle', message })
  })
}

test('modules as OPA builds them are taken', async () => {
  requirement('policy.tenant-fails-alone')
  const shipped = join(import.meta.dirname, '..', '..', 'policies', 'bundle', 'policy.wasm')
  await parse(readFileSync(shipped))
  await parse(assembleModule())
})
