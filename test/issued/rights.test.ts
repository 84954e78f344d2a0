import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { issuedRights } from '../../src/issued/rights.ts'
import { requirement } from '../requirements.ts'
import { root } from '../support/source-tree.ts'

test('the documented rights are those that are used, and no others', async () => {
  const text = await readFile(join(root, 'docs/REACH.md'), 'utf8')
  const section = text.split('## A Secret with an identity')[1]?.split('### A CA in another')[0]
  const rows = (section ?? '').matchAll(/^\| `([a-z]+)[^|]*\|[^|]*\|$/gm)
  const documented = [...rows].flatMap(([row, resource]) => {
    const [, what = '', verbs = ''] = row.split('|')
    const [, subresource] = /subresource `(\w+)`/.exec(what) ?? []
    const name = [resource, subresource].filter(Boolean).join(' ')
    return [...verbs.matchAll(/`(\w+)`/g)].map(([, verb]) => `${verb} ${name}`)
  })
  const all = issuedRights({ trustBundle: 'bundle', bouncePods: true, revocations: true })
  const used = all.map(({ verb, resource, subresource = '' }) =>
    `${verb} ${resource} ${subresource}`.trim(),
  )
  assert.deepEqual(documented.toSorted(), used.toSorted())
})

test('it may touch no pod unless it is to restart them', () => {
  requirement('issued.restart-undoes-nothing')
  const resources = issuedRights({}).map(({ resource }) => resource)
  assert.deepEqual(
    resources.filter((resource) => /^(pods|events|.*sets)$/.test(resource)),
    [],
  )
})

test('of one namespace it needs rights there alone, but for what has none', () => {
  const beyond = issuedRights({ namespace: 'tools', bouncePods: true, revocations: true }).filter(
    ({ namespace }) => namespace !== 'tools',
  )
  assert.deepEqual(
    [...new Set(beyond.map(({ resource }) => resource))],
    ['certificatesigningrequests', 'revocations'],
  )
})
