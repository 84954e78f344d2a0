/** The defences that carry out what permits stand under. */
import type { Mutation } from './mutation.ts'

const obligations = 'src/gateway/permit/obligations.ts'
const callLimits = 'src/gateway/permit/call-limits.ts'
const windows = 'src/gateway/permit/windows.ts'
const carryOut = 'src/gateway/permit/carry-out.ts'

export const decideMutations: readonly Mutation[] = [
  {
    claim: 'gateway.obligations-met',
    without: 'the refusal of what cannot be met',
    file: carryOut,
    edits: [["return decisions.refuse(question, 'obligations', reason)\n", 'return undefined\n']],
    tests: ['test/gateway/pipeline.test.ts'],
  },
  {
    claim: 'gateway.obligations-met',
    without: 'the look for members that nobody knows',
    file: obligations,
    edits: [['Object.keys(more).length === 0', 'Object.keys(more).length >= 0']],
  },
  {
    claim: 'gateway.obligations-met',
    without: 'the look at the numbers of a limit',
    file: obligations,
    edits: [['Number.isInteger(value) &&', 'value !== null ||']],
  },
  {
    claim: 'gateway.limits-of-policy',
    without: 'the count of a window',
    file: callLimits,
    edits: [['window.count += 1', 'void window']],
  },
  {
    claim: 'gateway.limits-of-policy',
    without: 'the parties of a limit',
    file: callLimits,
    edits: [['[party, partyOf(call, party)]', '[party, partyOf(call, party).length]']],
  },
  {
    claim: 'gateway.limits-of-policy',
    without: 'the count that waits until no limit is exceeded',
    file: callLimits,
    edits: [['counted.push(window)', 'counted.push(window), (window.count += 0.5)']],
  },
  {
    claim: 'gateway.limits-of-policy',
    without: 'the part of each worker',
    file: callLimits,
    edits: [['Math.floor(count / workers)', 'count']],
  },
  {
    claim: 'gateway.limits-never-forgotten',
    without: 'the shares of the room to count',
    file: windows,
    edits: [['const full = room.take(account)', 'const full = undefined as Full | undefined']],
  },
  {
    claim: 'gateway.limits-never-forgotten',
    without: 'the end of the window, before it is forgotten',
    file: windows,
    edits: [['if (!isOver(window, seconds, at)) return\n', '']],
  },
  {
    claim: 'gateway.open-calls-given-back',
    without: 'the end of the stay',
    file: callLimits,
    edits: [['stay.atEnd(() => {', 'Promise.resolve().then(() => {']],
  },
  {
    claim: 'gateway.open-calls-given-back',
    without: 'what is given back',
    file: callLimits,
    edits: [['const left = (open.get(key) ?? 1) - 1', 'const left = open.get(key) ?? 1']],
  },
]
