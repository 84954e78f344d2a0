/** The defences of decisions that are sent to a receiver, or dropped before. */
import type { Mutation } from './mutation.ts'

const spool = 'src/policy/upload/spool.ts'
const post = 'src/policy/upload/post.ts'
const uploader = 'src/policy/upload/uploader.ts'

const spooled = ['test/policy/upload/spool.test.ts']
const dropped = ['test/policy/dropped.test.ts']
const uploaded = ['test/policy/upload/uploader.test.ts']
const posted = ['test/policy/upload/post.test.ts']
const verified = ['test/policy/upload/post.tls.test.ts']
const configured = ['test/cli/upload-configuration.test.ts']

const lost = 'policy.upload-loses-nothing'
const drops = 'policy.drops-are-told'
const credentials = 'policy.upload-credentials-stay'

export const uploadMutations: readonly Mutation[] = [
  {
    claim: lost,
    without: 'the look whether a file is sent before it is written over',
    file: spool,
    edits: [['undefined && !(await this.#isSent(oldest))', 'undefined && oldest < 0']],
    tests: spooled,
    named: 'not sent is not written over',
  },
  {
    claim: lost,
    without: 'the last look at a file that was put aside',
    file: spool,
    edits: [['      lines = await this.#readLines(octetsMax)\n', '']],
    tests: spooled,
    named: 'between the look',
  },
  {
    claim: lost,
    without: 'the demand for lines in the file that comes next',
    file: spool,
    edits: [['if (found.size > 0) newer', 'if (found.size >= 0) newer']],
    tests: spooled,
    named: 'just before its file is put aside',
  },
  {
    claim: lost,
    without: 'the look whether a place is the end of a line',
    file: spool,
    edits: [['before[0] === lineEnd', 'before.length === 1']],
    tests: spooled,
    named: 'points into a line',
  },
  {
    claim: lost,
    without: 'the look whether a file was cut short',
    file: spool,
    edits: [['if (size < current.offset) current.offset = 0', '']],
    tests: spooled,
    named: 'cut short in its place',
  },
  {
    claim: lost,
    without: 'the digest of the first line of a file',
    file: spool,
    edits: [['!== first) {', '=== undefined) {']],
    tests: spooled,
    named: 'names another file',
  },
  {
    claim: lost,
    without: 'the look whether a line is an event',
    file: uploader,
    edits: [['    JSON.parse(line.toString())\n', '']],
    tests: uploaded,
    named: 'a crash has cut',
  },
  {
    claim: lost,
    without: 'what is sent in the place of an event that is too large',
    file: uploader,
    edits: [['error.httpCode === tooLarge', 'error.httpCode === 0']],
    tests: uploaded,
    named: 'too large for its receiver',
  },
  {
    claim: lost,
    without: 'the trial of an event alone after its receiver took none',
    file: 'src/policy/upload/chunk.ts',
    edits: [['isTooLarge: body.length > limitOctets', 'isTooLarge: body.length > limit']],
    tests: uploaded,
    named: 'after it took nothing',
  },
  {
    claim: lost,
    without: 'the look at the status of an answer',
    file: post,
    edits: [['statusCode < 300) return', 'statusCode < 600) return']],
    tests: uploaded,
    named: 'a receiver that is down',
  },
  {
    claim: lost,
    without: 'the end, which sends what is left',
    file: uploader,
    edits: [['await this.#attempt(AbortSignal.timeout(endMilliseconds))', 'void endMilliseconds']],
    tests: uploaded,
    named: 'at the end',
  },
  {
    claim: drops,
    without: 'the word of the operator that rules may drop',
    file: 'src/policy/event.ts',
    edits: [['if (mayDrop && isDropped', 'if (isDropped']],
    tests: dropped,
    named: 'forbidden where nobody',
  },
  {
    claim: drops,
    without: 'the demand for exactly true',
    file: 'src/policy/event.ts',
    edits: [['text, document) === true', 'text, document) !== false']],
    tests: dropped,
    named: 'a text',
  },
  {
    claim: drops,
    without: 'the event that tells of dropped ones',
    file: 'src/policy/decision-log.ts',
    edits: [['this.#dropped.add(this.#options.engine.revision, at)', 'void at']],
    tests: dropped,
    named: 'tells how many there were',
  },
  {
    claim: credentials,
    without: 'the code alone of an error, in the place of the error',
    file: post,
    edits: [
      [
        'error.message : codeOf(error)',
        'error.message : `${codeOf(error)} ${(error as { rawPacket?: Buffer }).rawPacket}`',
      ],
    ],
    tests: posted,
    named: 'the token of the file',
  },
  {
    claim: credentials,
    without: 'the files anew for each chunk',
    file: post,
    edits: [['connecting?.material !== material', 'connecting === undefined']],
    tests: verified,
    named: 'another authority',
  },
  {
    claim: credentials,
    without: 'the demand for https',
    file: 'src/cli/upload-configuration.ts',
    edits: [['url: serviceUrlSchema,', 'url: z.string(),']],
    tests: configured,
    named: 'no address|http to elsewhere',
  },
]
