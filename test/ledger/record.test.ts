import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { entryOctetsMax, formatEntry, parseLine, verifyLine } from '../../src/ledger/entry.ts'
import { parseLedgerRecord, type LedgerRecord } from '../../src/ledger/record.ts'
import { intentRecord, resultRecord } from './records.ts'
import { readVectors } from './vectors.ts'

interface RecordVector {
  readonly case: string
  readonly record: unknown
  /** null: a record */
  readonly message: string | null
}

suite('the records of test/vectors/ledger', () => {
  for (const { case: title, record, message } of readVectors<RecordVector>('records.ndjson')) {
    test(`${title}: ${message === null ? 'a record' : 'refused'}`, () => {
      if (message === null) {
        assert.equal(parseLedgerRecord(record), record)
        const { line } = formatEntry(record as LedgerRecord)
        assert.deepEqual(parseLine(line.subarray(0, -1)), record)
      } else {
        assert.throws(() => parseLedgerRecord(record), { code: 'ledger/record', message })
        assert.throws(() => formatEntry(record as LedgerRecord), { code: 'ledger/record' })
      }
    })
  }
})

suite('an entry', () => {
  test('is the leaf hash, a space, canonical JSON and a line feed', () => {
    const { line, leafHash } = formatEntry(resultRecord(1))
    assert.equal(
      line.toString(),
      `${leafHash.toString('hex')} {"detail":"certificate 1","intentIndex":0,"issuanceId":"${'1'.padStart(32, '0')}",` +
        '"kind":"issuance-result","latencySeconds":0.25,"outcome":"published","replica":"signer-0",' +
        '"request":{"name":"agent-1","namespace":"team-a","signerName":"countersign.dev/identity","uid":"request-1"},' +
        '"time":"2026-11-22T10:00:00.000Z"}\n',
    )
  })

  test('leaves out a member that is undefined, and sorts by code units', () => {
    const annotations = { '\u{1f600}': '1', '\uffff': '2', b: '3', B: '4' }
    const record = intentRecord(1, { annotations })
    const text = formatEntry({
      ...record,
      role: undefined,
    } as unknown as LedgerRecord).line.toString()
    assert.ok(text.includes('"annotations":{"B":"4","b":"3","\u{1f600}":"1","\uffff":"2"}'), text)
    assert.ok(!text.includes('role":u'))
  })

  const overhead = formatEntry(intentRecord(1, { policyRevision: '' })).line.length - 64 - 1 - 1
  test('of 65,535 octets is the largest', () => {
    const record = intentRecord(1, { policyRevision: 'x'.repeat(entryOctetsMax - overhead) })
    const { line } = formatEntry(record)
    assert.equal(line.length, 64 + 1 + 65_535 + 1)
    assert.ok(verifyLine(line.subarray(0, -1)))
  })

  test('of more is refused with its name', () => {
    const record = intentRecord(1, { policyRevision: 'x'.repeat(entryOctetsMax - overhead + 1) })
    assert.throws(() => formatEntry(record), {
      code: 'ledger/record',
      message: `record too large: kind=issuance-intent issuanceId=${'1'.padStart(32, '0')} want≤65535 got=65536`,
    })
  })

  test('with half a surrogate pair is refused, for no two readers would hash it alike', () => {
    assert.throws(() => formatEntry({ ...resultRecord(1), detail: 'a\ud800' }), {
      code: 'ledger/record',
      message: 'text with half a surrogate pair: got="a\\ud800"',
    })
  })
})

test('a line that differs in any octet of its hash or record is not verified', () => {
  const line = formatEntry(resultRecord(1)).line.subarray(0, -1)
  assert.ok(verifyLine(line))
  for (let at = 0; at < line.length; at++) {
    const damaged = Buffer.from(line)
    damaged[at] = (damaged[at] ?? 0) ^ 1
    assert.equal(verifyLine(damaged), undefined, `octet ${at}`)
  }
  for (let length = 0; length < line.length; length++) {
    assert.equal(verifyLine(line.subarray(0, length)), undefined)
  }
})
