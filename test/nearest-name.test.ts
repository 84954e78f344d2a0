import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearestName } from '../src/nearest-name.ts'

const names = ['countersign.dev/tenant', 'countersign.dev/role', 'roles.countersign.dev/agent']

const nearest: Readonly<Record<string, string | undefined>> = {
  'countersign.dev/tennant': 'countersign.dev/tenant',
  'countersign.dev/Tenant': 'countersign.dev/tenant',
  'countersign.dev/rol': 'countersign.dev/role',
  'role.countersign.dev/agent': 'roles.countersign.dev/agent',
  'countersign.dev/something-else': undefined,
  '': undefined,
}

for (const [name, want] of Object.entries(nearest)) {
  test(`${JSON.stringify(name)} is near to ${want ?? 'nothing'}`, () => {
    assert.equal(nearestName(name, names), want)
  })
}

test('a long name costs nothing', () => {
  assert.equal(nearestName('x'.repeat(1_000_000), names), undefined)
})
