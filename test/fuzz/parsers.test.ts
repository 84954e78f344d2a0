import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import { fuzzParsers } from './fuzz-parsers.ts'

test('of octets that are nearly right a parser reads what stands there, or refuses by one of our errors', () => {
  requirement('pki.der-strict')
  requirement('ledger.tampering-shows')
  const { cases, read, refused } = fuzzParsers({ seed: 1, cases: Array(4000).keys() })
  assert.equal(cases, 4000)
  assert.equal(read.size, 8)
  for (const [name, count] of refused) assert.ok(count >= 20, `${name}: got=${count}`)
})
