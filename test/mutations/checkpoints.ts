/** The defences of decision logs that are signed. */
import { never, type Mutation } from './mutation.ts'

const eventFile = 'src/policy/event-file.ts'
const signed = 'src/policy/checkpoints/signed-lines.ts'
const kept = 'src/policy/checkpoints/read-kept.ts'
const places = 'src/policy/checkpoints/line-places.ts'
const log = 'src/policy/checkpoints/verify-log.ts'

const verifying = ['test/policy/checkpoints/verify-log.test.ts']
const signing = ['test/policy/checkpoints/signed-lines.test.ts']

const shows = 'policy.log-tampering-shows'
const there = 'policy.log-signs-what-is-there'

export const checkpointMutations: readonly Mutation[] = [
  {
    claim: shows,
    without: 'the comparison of a line with its leaf',
    file: places,
    edits: [['wanted === undefined || wanted === hash', 'wanted !== hash || wanted === hash']],
    tests: verifying,
    named: 'was changed is told',
  },
  {
    claim: shows,
    without: 'the memory of the leaves that come next',
    file: places,
    edits: [['Math.max(this.#knownTo, this.#at)', 'this.#at']],
    tests: ['test/policy/checkpoints/line-places.test.ts'],
  },
  {
    claim: shows,
    without: 'the look whether a tile is a file',
    file: 'src/bounded-file.ts',
    edits: never('!status.isFile()'),
    tests: verifying,
    named: 'a pipe in the place',
  },
  {
    claim: shows,
    without: 'the comparison of a file with what the next one stands on',
    file: log,
    edits: [
      [
        'return tree.size === head.firstIndex && subtrees',
        'return head.firstIndex >= 0 || subtrees',
      ],
    ],
    tests: verifying,
    named: 'was written to the end',
  },
  {
    claim: shows,
    without: 'the look for files that are to be there',
    file: log,
    edits: [['if (there.has(firstIndex)) continue', 'if (firstIndex >= 0) continue']],
    tests: verifying,
    named: 'a file that is missing',
  },
  {
    claim: shows,
    without: 'the comparison with checkpoints',
    file: log,
    edits: [
      [
        'size !== tree.size || tree.head().rootHash === rootHash',
        'size >= 0 || tree.head().rootHash === rootHash',
      ],
    ],
    tests: verifying,
    named: 'that was kept',
  },
  {
    claim: shows,
    without: 'the lines that the checkpoint asks for in the last file',
    file: log,
    edits: [['isLast ? tree.size >= until : ', 'isLast ? true : ']],
    tests: verifying,
    named: 'the file that is written to is no exception',
  },
  {
    claim: there,
    without: 'the look whether the file has been removed',
    file: eventFile,
    edits: never('nlink === 0'),
    tests: signing,
    named: 'a file that is removed',
  },
  {
    claim: there,
    without: 'the look at the size of the file',
    file: eventFile,
    edits: [['if (size === this.#size) return undefined', 'if (size >= 0) return undefined']],
    tests: signing,
    named: 'a file that is cut',
  },
  {
    claim: there,
    without: 'the checkpoint before a file is put aside',
    file: eventFile,
    edits: [['    await this.#options.signed?.publish()\n', '']],
    tests: signing,
    named: 'while no checkpoint can be written',
  },
  {
    claim: there,
    without: 'the look at what the checkpoint covers after a crash',
    file: kept,
    edits: never('tree.head().rootHash !== promised.rootHash'),
    tests: signing,
    named: 'changed while nobody wrote',
  },
  {
    claim: there,
    without: 'the look whether the file is as long as its checkpoint says',
    file: kept,
    edits: never('tree.size < size'),
    tests: signing,
    named: 'changed while nobody wrote',
  },
  {
    claim: there,
    without: 'the comparison of the tiles with the checkpoint',
    file: signed,
    edits: never('this.#tree.leaves.head().rootHash !== promised.rootHash'),
    tests: signing,
    named: 'a log whose tiles',
  },
]
