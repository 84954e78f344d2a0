import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { requirement } from '../requirements.ts'

for (const text of ['a..b', '.example', 'x.', '.', `${'a'.repeat(64)}.example`]) {
  test(`the trust domain ${text} is refused: Go would not read its certificates`, () => {
    requirement('identity.spiffe-id-strict')
    assert.throws(() => parseTrustDomain(text), {
      code: 'identity/trust-domain',
      message: `trust domain has a label of another length, want=1..63 got="${text}"`,
    })
  })
}
