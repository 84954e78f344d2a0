import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { openLedger, readLedger } from '../../../src/ledger/ledger.ts'
import { silentLog } from '../../../src/log.ts'
import { historySince, readHistory, type History } from '../../../src/signer/issue/history.ts'
import { temporaryFolder } from '../../ledger/open-ledger.ts'
import { intentRecord, resultRecord } from '../../ledger/records.ts'
import { requirement } from '../../requirements.ts'

const hour = 3_600_000
const begin = Date.parse('2026-01-01T00:00:00Z')
const iso = (time: number): string => new Date(time).toISOString()
const keyOf = (number: number): string => number.toString(16).padStart(64, '0')
const podOf = (number: number): string => `pod-${number % 3}`

/** What a signer can ask of its history. */
function asked(history: History, issuances: number): unknown {
  return {
    owners: Array.from({ length: issuances }, (_, number) => history.keys.ownerOf(keyOf(number))),
    requests: Array.from({ length: issuances }, (_, number) =>
      history.keys.requestOf(keyOf(number)),
    ),
    open: history.intents.requests(),
    intents: Array.from({ length: issuances }, (_, number) =>
      history.intents.of(`request-${number}`).map(({ index }) => index),
    ),
    pace: [0, 1, 2].map((number) => history.pace.wait(podOf(number))),
  }
}

const step = fc.record({
  hours: fc.nat(30),
  lifetimeHours: fc.integer({ min: 1, max: 24 }),
  key: fc.option(fc.nat(40)),
  isPods: fc.boolean(),
  settled: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(12)),
})

test('what a start leaves out of a ledger of years changes nothing that a signer can ask', async () => {
  requirement('ledger.retention-removes-what-cannot-matter')
  let leftOut = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      await using folder = await temporaryFolder()
      const file = join(folder.path, 'ledger')
      let now = begin
      {
        const options = { file, now: () => now, log: silentLog, segmentOctets: 3000 }
        await using ledger = await openLedger(options)
        const due: { readonly at: number; readonly record: object }[] = []
        for (const [number, { hours, lifetimeHours, key, isPods, settled }] of steps.entries()) {
          now += hours * hour
          const base = intentRecord(number)
          const intent = intentRecord(number, {
            time: iso(now),
            notBefore: iso(now),
            notAfter: iso(now + lifetimeHours * hour),
            pod: { name: podOf(number), uid: podOf(number) },
            spkiSha256: keyOf(key ?? number),
            request: {
              ...base.request,
              ...(isPods && { kind: 'CertificateSigningRequest' as const }),
            },
          })
          const { index } = await ledger.append(intent)
          due.push({
            at: number + settled,
            record: { ...resultRecord(number), time: iso(now), intentIndex: index },
          })
          for (const each of due.filter(({ at }) => at === number)) {
            await ledger.append(each.record as ReturnType<typeof resultRecord>)
          }
        }
      }
      for (const later of [0, 1, 20, 24, 25, 48, 200]) {
        const at = now + later * hour
        const whole = await readHistory(readLedger(file), () => at)
        let read = 0
        const counted = (async function* () {
          for await (const one of readLedger(file, { heldSince: historySince(at) })) {
            read += 1
            yield one
          }
        })()
        const short = await readHistory(counted, () => at)
        assert.deepEqual(asked(short, 45), asked(whole, 45), `${later} hours later`)
        if (read < steps.length) leftOut += 1
      }
    }),
    { numRuns: 25 },
  )
  assert.ok(leftOut > 0, 'something is left out')
})
