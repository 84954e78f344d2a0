import type { Mutation } from './mutation.ts'

const fetch = 'src/agent/countersign-fetch.ts'
const send = 'src/agent/send-request.ts'
const places = 'src/agent/places.ts'
const bridge = 'src/agent/stdio-bridge.ts'
const request = 'src/agent/serve-request.ts'

/** The defences of what an agent runs. */
export const agentMutations: readonly Mutation[] = [
  {
    claim: 'agent.server-known',
    without: 'the comparison of SPIFFE IDs',
    file: fetch,
    edits: [['if (uri === server) return undefined', 'if (uri !== "") return undefined']],
    tests: ['test/agent/countersign-fetch.test.ts'],
  },
  {
    claim: 'agent.repeats-only-what-was-not-begun',
    without: 'the question whether anything was written',
    file: send,
    edits: [['const isRepeatable = !isWritten ||', 'const isRepeatable = true ||']],
    tests: ['test/agent/send-request.test.ts'],
  },
  {
    claim: 'agent.repeats-only-what-was-not-begun',
    without: 'the end of the connection that a 408 has to be of',
    file: send,
    edits: [
      [
        "return statusCode === 408 && headers.connection?.toLowerCase() === 'close'",
        'return statusCode === 408 && headers !== undefined',
      ],
    ],
    tests: ['test/agent/send-request.test.ts'],
  },
  {
    claim: 'agent.connections-bounded',
    without: 'the end of the wait',
    file: places,
    edits: [['leaveLine(full(placesMax)), waitMilliseconds)', '{}, waitMilliseconds)']],
  },
  {
    claim: 'agent.bridge-passes-octets',
    without: 'the octets, written anew',
    file: bridge,
    edits: [
      ['body: new Uint8Array(octets)', "body: JSON.stringify(JSON.parse(octets.toString('utf8')))"],
    ],
    tests: ['test/agent/stdio-bridge.test.ts'],
  },
  {
    claim: 'agent.bridge-serves-at-once',
    without: 'the second request at a time',
    file: bridge,
    edits: [['openMax: bounds.requestsMax', 'openMax: 1']],
    tests: ['test/agent/stdio-bridge.test.ts'],
  },
  {
    claim: 'agent.bridge-answers-all',
    without: 'the end of an answer that holds none',
    file: request,
    edits: [['if (done === true) throw unanswered(response.status, unread)', 'if (done) return']],
    tests: ['test/agent/serve-request.test.ts'],
  },
  {
    claim: 'agent.bridge-answers-all',
    without: 'the comparison of ids',
    file: request,
    edits: [['return id === this.message.id ||', 'return id !== undefined ||']],
    tests: ['test/agent/serve-request.test.ts'],
  },
  {
    claim: 'agent.bridge-bounded',
    without: 'the bound on what waits',
    file: 'src/lane.ts',
    edits: [['waiting.length >= waitingMax', 'waiting.length < 0']],
    tests: ['test/agent/stdio-bridge.test.ts'],
  },
  {
    claim: 'agent.bridge-bounded',
    without: 'the bound on a line',
    file: 'src/mcp/read-lines.ts',
    edits: [['if (whole.length > this.#octetsMax) this.#giveUp()', '']],
    tests: ['test/agent/stdio-bridge.test.ts'],
  },
]
