import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { intermediateRights } from '../../src/intermediate/rights.ts'
import { root } from '../support/source-tree.ts'
import { rules } from './intermediate-world.ts'

test('the documented rights are those that are used, and no others', async () => {
  const text = await readFile(join(root, 'docs/REACH.md'), 'utf8')
  const section = text.split('### A cluster that signs for itself')[1]?.split('\n### ')[0] ?? ''
  const documented = [...section.matchAll(/^\| `([a-z]+)[^|]*\|[^|]*\|$/gm)].flatMap(
    ([row, resource]) => {
      const [, what = '', verbs = ''] = row.split('|')
      const subresources = [...what.matchAll(/subresources? `(\w+)`(?: and `(\w+)`)?/g)].flatMap(
        ([, one, other]) => [one, other].filter((each) => each !== undefined),
      )
      const names =
        subresources.length === 0 ? [resource] : subresources.map((each) => `${resource} ${each}`)
      const all = [...verbs.matchAll(/`(\w+)`/g)].map(([, verb]) => verb)
      return names.flatMap((name) => all.map((verb) => `${verb} ${name}`))
    },
  )
  const used = intermediateRights(rules).map(({ verb, resource, subresource = '' }) =>
    `${verb} ${resource} ${subresource}`.trim(),
  )
  assert.deepEqual(documented.toSorted(), used.toSorted())
})

test('what names one object is right for that one alone', () => {
  const named = intermediateRights(rules).filter(({ resource }) =>
    ['signers', 'serviceaccounts'].includes(resource),
  )
  assert.deepEqual(
    [...new Set(named.map(({ name }) => name))],
    ['countersign.dev/intermediate', 'countersign-signer'],
  )
})
