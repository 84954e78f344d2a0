import assert from 'node:assert/strict'
import { test } from 'node:test'
import { functionBlocks, packageImports, relativeImports, type SourceFile } from './source-tree.ts'

function sourceFile(text: string): SourceFile {
  return { path: 'src/pki/issue.ts', text, lines: text.split('\n') }
}

test('imports, re-exports, URLs and dynamic imports of files are found', () => {
  const file = sourceFile(`import { a } from './a.ts'
export type { B } from '../identity/b.ts'
import './c.ts'
const d = await import('./d.ts')
const e = new URL('./e.ts', import.meta.url)
import manifest from '../../package.json' with { type: 'json' }
import {
  f,
} from './f.ts'`)
  assert.deepEqual(relativeImports(file), [
    'src/pki/a.ts',
    'src/identity/b.ts',
    'src/pki/c.ts',
    'src/pki/d.ts',
    'src/pki/e.ts',
    'package.json',
    'src/pki/f.ts',
  ])
})

test('packages are known by name, whatever is taken from them', () => {
  const file = sourceFile(`import { z } from 'zod'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import 'reflect-metadata'
const pino = await import('pino/file')
import { readFile } from 'node:fs/promises'`)
  assert.deepEqual(packageImports(file), [
    'zod',
    '@modelcontextprotocol/sdk',
    'reflect-metadata',
    'pino',
    'node:fs',
  ])
})

const measured: readonly { title: string; text: string; blocks: readonly [number, number][] }[] = [
  {
    title: 'a function on one line of head',
    text: 'export function a(): void {\n  b()\n}',
    blocks: [[1, 3]],
  },
  {
    title: 'a head over several lines counts',
    text: 'async function a(\n  b: string,\n  c: string,\n): Promise<void> {\n  d()\n}',
    blocks: [[1, 6]],
  },
  {
    title: 'an options object in the head',
    text: 'function a(o: {\n  readonly b: string\n}): void {\n  d()\n}',
    blocks: [[1, 5]],
  },
  {
    title: 'an arrow inside a function is measured by itself too',
    text: 'function a(): void {\n  const b = (): void => {\n    c()\n  }\n}',
    blocks: [
      [1, 5],
      [2, 3],
    ],
  },
  {
    title: 'methods, also with modifiers and type parameters',
    text: 'class A {\n  async b<T>(c: T): Promise<void> {\n    d()\n  }\n  #e() {\n    d()\n  }\n}',
    blocks: [
      [2, 3],
      [5, 3],
    ],
  },
  {
    title: 'control flow is no function',
    text: 'if (\n  a &&\n  b\n) {\n  c()\n} else {\n  d()\n}\nfor (const e of f) {\n  c()\n}\nconst g = {\n  h: 1,\n}',
    blocks: [],
  },
]

for (const { title, text, blocks } of measured) {
  test(`functions are measured: ${title}`, () => {
    const found = functionBlocks(sourceFile(text)).map(({ line, lines }) => [line, lines])
    assert.deepEqual(found, blocks)
  })
}
