import { readFile } from 'node:fs/promises'
import { readLedger } from '../../src/ledger/ledger.ts'
import { expect, type Chapter } from './world.ts'

/** Whatever was decided above is written down. */
export const recordChapter: Chapter = {
  title: 'The record',
  steps: [
    {
      title: 'every certificate has its intent before and its result after',
      async check(world) {
        const intents = new Set<string>()
        let results = 0
        const refusals = new Set<string>()
        for await (const { record } of readLedger(world.paths.ledger)) {
          if (record.kind === 'issuance-intent') intents.add(record.issuanceId)
          if (record.kind === 'issuance-refusal') refusals.add(record.issuanceId)
          if (record.kind !== 'issuance-result') continue
          expect(intents.has(record.issuanceId), `result without intent: ${record.issuanceId}`)
          results += 1
        }
        expect(results > 0 && refusals.size > 0, `results=${results} refusals=${refusals.size}`)
        return `${intents.size} intents, ${results} results, ${refusals.size} refusals in the ledger`
      },
    },
    {
      title: 'every decision of the gateway is in the decision log, without the arguments',
      async check(world) {
        const text = await readFile(world.paths.decisionLog, 'utf8')
        const events = text
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as { decision_id: string; path: string })
        expect(events.length > 0, 'want=decisions got=none')
        expect(!text.includes('upside down'), 'want=masked arguments')
        return `${events.length} decisions, the last one ${events.at(-1)?.decision_id}`
      },
    },
  ],
}
