import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReplay, type Replayed } from '../../../src/policy/author/replay.ts'
import { fromJson } from '../../../src/policy/plan/json.ts'
import { requirement } from '../../requirements.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { issuanceInput } from '../issuance-input.ts'
import { issuanceLines, linesOf } from './logged-events.ts'

const engineWith = (files: object): ReturnType<typeof loadPolicyBundle> =>
  loadPolicyBundle({ data: { grants: { tenants: { acme: { files } } } } })

const before = await engineWith({ tools: { read: {}, list: {} } })
const lines = linesOf(before, [
  { tool: 'read', arguments: { path: 'a', token: 'hunter2' } },
  { tool: 'list' },
  { tool: 'write', arguments: { path: 'a' } },
  { tool: 'write', arguments: { path: 'b' } },
])

async function replayed(files: object, given = lines): Promise<Replayed> {
  const replay = createReplay(await engineWith(files))
  for (const line of given) assert.equal(replay.add(fromJson(line)), true)
  return replay.replayed
}

test('the policy that decided decides the same again, though arguments were masked that no rule reads', async () => {
  const { counts, notAsked, groups } = await replayed({ tools: { read: {}, list: {} } })
  const none = { widened: 0, narrowed: 0, reasons: 0, obligations: 0, 'not-replayable': 0 }
  assert.deepEqual([counts, notAsked, groups], [{ same: 4, ...none }, 1, []])
})

test('what is allowed now and was not, and the other way, is told by subject, tool and reason', async () => {
  requirement('policy.replay-never-guesses')
  const { counts, groups } = await replayed({ tools: { read: {}, write: {} } })
  assert.deepEqual([counts.same, counts.widened, counts.narrowed], [1, 2, 1])
  const [widened, narrowed] = groups
  assert.deepEqual(
    [widened?.change, widened?.resource, widened?.to, widened?.count, widened?.decisionId],
    ['widened', 'files:write', 'allow', 2, 'd-2'],
  )
  assert.match(widened?.from ?? '', /^deny [a-z-]+/)
  assert.deepEqual(
    [narrowed?.change, narrowed?.resource, narrowed?.from],
    ['narrowed', 'files:list', 'allow'],
  )
})

test('a permit that loses an obligation, or has another one in its place, is wider; one more alone is not', async () => {
  requirement('policy.replay-never-guesses')
  const [long, short] = [300, 60].map((seconds) => ({
    id: `pay-${seconds}`,
    type: 'approval',
    properties: { seconds },
  }))
  const changeOf = (was: readonly unknown[], is: readonly unknown[]): string | undefined => {
    const event = JSON.parse(lines[0] ?? '') as object
    const replay = createReplay({
      evaluate: () => ({ allow: true, reasons: [], obligations: is }),
    })
    replay.add({ ...event, result: { allow: true, reasons: [], obligations: was } })
    return Object.entries(replay.replayed.counts).find(([, count]) => count === 1)?.[0]
  }
  const stricter = { ...long, properties: { seconds: 10 } }
  for (const [was, is, want] of [
    [[long], [], 'widened'],
    [[long], [short], 'widened'],
    [[long], [stricter], 'widened'],
    [[long, long], [long, short], 'widened'],
    [[long, short], [short, long], 'same'],
    [[], [long], 'obligations'],
    [[short], [short, long], 'obligations'],
  ] as const) {
    assert.equal(changeOf(was, is), want, JSON.stringify([was, is]))
  }
})

test('a rule that reads what a mask has hidden makes a decision not replayable, whichever way it would go', async () => {
  requirement('policy.replay-never-guesses')
  for (const path of ['a', 'z']) {
    const { counts, groups } = await replayed({
      tools: {
        read: { arguments: { path: [path] } },
        list: {},
        write: { arguments: { path: [path] } },
      },
    })
    assert.deepEqual([counts.same, counts['not-replayable'], counts.widened], [1, 3, 0], path)
    assert.match(
      groups[0]?.to ?? '',
      /rules read what the event does not show, got=\/input\/context\/arguments/,
    )
  }
})

test('an answer that the event does not show is compared with nothing', async () => {
  const event = { ...(JSON.parse(lines[0] ?? '') as object), masked: ['/result/reasons'] }
  const { counts } = await replayed({}, [JSON.stringify(event)])
  assert.equal(counts['not-replayable'], 1)
})

test('what gave no decision was no permit', async () => {
  const { result: _, ...event } = JSON.parse(lines[1] ?? '') as Readonly<Record<string, unknown>>
  const failed = JSON.stringify({ ...event, error: { message: 'policy/fuel' } })
  const { counts } = await replayed({ tools: { list: {} } }, [failed])
  assert.equal(counts.widened, 1)
})

test('what is no event is said to be none', async () => {
  const replay = createReplay(before)
  for (const text of ['1', '[]', '{}', '{"decision_id":1,"path":"a"}']) {
    assert.equal(replay.add(fromJson(text)), false)
  }
})

const issuing = (issuance: object): ReturnType<typeof loadPolicyBundle> =>
  loadPolicyBundle({
    data: { issuance: { denied_namespaces: {}, lifetime_seconds_max: {}, ...issuance } },
  })

const denied = { denied_namespaces: { research: true } }
const living = (agent: number): object => ({ lifetime_seconds_max: { agent } })

const issued: Readonly<Record<string, readonly [was: object, is: object, told: string]>> = {
  'the same answer': [living(600), living(600), 'same'],
  'a certificate that was denied': [denied, {}, 'widened deny namespace-denied → allow'],
  'a certificate that is denied': [{}, denied, 'narrowed allow → deny namespace-denied'],
  'a longer life': [living(600), living(900), 'widened allow for 600 s → allow for 900 s'],
  'a life that nothing shortens': [living(600), {}, 'widened allow for 600 s → allow'],
  'a shorter life': [{}, living(600), 'narrowed allow → allow for 600 s'],
}

for (const [what, [was, is, wanted]] of Object.entries(issued)) {
  test(`what a signer has decided is asked again, too: ${what}`, async () => {
    requirement('policy.issuance-replayed')
    const [line = ''] = issuanceLines(await issuing(was), [issuanceInput])
    const replay = createReplay(await issuing(is))
    assert.equal(replay.add(fromJson(line)), true)
    const { counts, groups } = replay.replayed
    const [group] = groups
    const told = group === undefined ? 'same' : `${group.change} ${group.from} → ${group.to}`
    assert.equal(told, wanted)
    assert.equal(
      Object.values(counts).reduce((sum, count) => sum + count, 0),
      1,
    )
    if (group === undefined) return
    const { subject, resource, decisionId } = group
    assert.deepEqual(
      [subject, resource, decisionId],
      [issuanceInput.subject.id, 'countersign.dev/identity', 'i-0'],
    )
  })
}

test('a life that a signer would not take is no decision, and permits nothing', async () => {
  requirement('policy.issuance-replayed')
  const [line = ''] = issuanceLines(await issuing({}), [issuanceInput])
  for (const lifetime_seconds_max of [0, -1, 1.5, '600', null]) {
    const evaluate = (): unknown => ({ allow: true, reasons: [], lifetime_seconds_max })
    const replay = createReplay({ evaluate })
    replay.add(fromJson(line))
    assert.equal(replay.replayed.counts.narrowed, 1, String(lifetime_seconds_max))
  }
})
