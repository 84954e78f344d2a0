import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { issuedRights } from '../../src/issued/rights.ts'
import { root } from '../support/source-tree.ts'

test('the documented rights are those that are used, and no others', async () => {
  const text = await readFile(join(root, 'docs/REACH.md'), 'utf8')
  const section = text.split('## A Secret with an identity')[1]?.split('### A CA in another')[0]
  const rows = (section ?? '').matchAll(/^\| `([a-z]+)[^|]*\|[^|]*\|$/gm)
  const documented = [...rows].flatMap(([row, resource]) => {
    const [, what = '', verbs = ''] = row.split('|')
    const status = what.includes('subresource `status`') ? ' status' : ''
    return [...verbs.matchAll(/`(\w+)`/g)].map(([, verb]) => `${verb} ${resource}${status}`)
  })
  const used = issuedRights({ trustBundle: 'bundle' }).map(({ verb, resource, subresource = '' }) =>
    `${verb} ${resource} ${subresource}`.trim(),
  )
  assert.deepEqual(documented.toSorted(), used.toSorted())
})

test('of one namespace it needs rights there alone, but for what has none', () => {
  const beyond = issuedRights({ namespace: 'tools' }).filter(
    ({ namespace }) => namespace !== 'tools',
  )
  assert.deepEqual(
    [...new Set(beyond.map(({ resource }) => resource))],
    ['certificatesigningrequests'],
  )
})
