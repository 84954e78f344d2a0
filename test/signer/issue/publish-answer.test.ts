import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeRefusal } from '../../../src/signer/issue/publish-answer.ts'

const none = { reason: '', message: 'said', causes: [] }

const table = [
  ['no answer may have been written', { ...none, status: undefined }, 'unknown'],
  ['500 may have been written', { ...none, status: 500 }, 'unknown'],
  ['504 may have been written', { ...none, status: 504 }, 'unknown'],
  ['429 says nothing about the object', { ...none, status: 429 }, 'unknown'],
  ['401 says nothing about the object', { ...none, status: 401 }, 'unknown'],
  ['403 is a missing right', { ...none, status: 403 }, 'not-permitted'],
  [
    '404 NotFound means that the request is gone',
    { ...none, status: 404, reason: 'NotFound' },
    'gone',
  ],
  ['404 of anybody else says nothing about the object', { ...none, status: 404 }, 'unknown'],
  ['409 is a concurrent change', { ...none, status: 409 }, 'conflict'],
  ['400 is our defect', { ...none, status: 400 }, 'rejected'],
  ['422 without a cause is our defect', { ...none, status: 422 }, 'rejected'],
  [
    '422 on the signer name is the missing right to sign',
    withCause('FieldValueForbidden', 'spec.signerName'),
    'not-permitted',
  ],
  [
    '422 on the signer name for another reason is our defect',
    withCause('FieldValueInvalid', 'spec.signerName'),
    'rejected',
  ],
  ['422 on the uid is another object', withCause('FieldValueInvalid', 'metadata.uid'), 'conflict'],
  ['422 on status is a terminal request', withCause('FieldValueInvalid', 'status'), 'conflict'],
  [
    '422 on notBefore is a stale certificate',
    withCause('FieldValueInvalid', 'status.notBefore'),
    'stale',
  ],
  [
    '422 on the chain is our defect',
    withCause('FieldValueInvalid', 'status.certificateChain'),
    'rejected',
  ],
] as const

function withCause(
  reason: string,
  field: string,
): Parameters<typeof judgeRefusal>[0] & { readonly status: number } {
  return { status: 422, reason: 'Invalid', message: 'said', causes: [{ reason, field }] }
}

for (const [title, refusal, kind] of table) {
  test(title, () => {
    assert.deepEqual(judgeRefusal(refusal), { kind, status: refusal.status, detail: 'said' })
  })
}
