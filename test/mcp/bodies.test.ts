import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseMessage } from '../../src/mcp/message.ts'
import { isProblem } from '../../src/mcp/problem.ts'
import { headerList, readVectors } from './vectors.ts'
import { requirement } from '../requirements.ts'

interface BodyVector {
  readonly case: string
  readonly body?: string
  readonly hex?: string
  /** null: accepted */
  readonly code: number | null
  readonly message?: string
}

suite('the bodies of test/vectors/mcp', () => {
  for (const vector of readVectors<BodyVector>('bodies.ndjson')) {
    test(`${vector.case}: ${vector.code ?? 'accepted'}`, () => {
      requirement('gateway.one-reading')
      const body =
        vector.hex === undefined ? Buffer.from(vector.body ?? '') : Buffer.from(vector.hex, 'hex')
      const message = parseMessage(body, headerList())
      const code = isProblem(message) ? message.code : null
      assert.equal(code, vector.code, isProblem(message) ? message.message : 'accepted')
      if (!isProblem(message)) return
      assert.equal(message.status, 400)
      if (vector.message !== undefined) assert.equal(message.message, vector.message)
    })
  }
})
