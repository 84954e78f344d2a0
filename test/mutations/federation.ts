import { never, type Mutation } from './mutation.ts'

const listing = 'src/gateway/catalogue/list-upstream.ts'
const toolServer = 'src/gateway/upstream/tool-server.ts'
const toolServerStatus = 'src/gateway/upstream/tool-server-status.ts'

/** Several servers at one door: their waits, lists and sessions, and who may name one. */
export const federationMutations: readonly Mutation[] = [
  {
    claim: 'gateway.no-upstream-delays-others',
    without: 'the bound on the wait for one of several upstreams',
    file: 'src/gateway/serve/gather.ts',
    edits: [['late.abort(), limits.federationWaitMilliseconds', 'late.abort(), 3_600_000']],
  },
  {
    claim: 'gateway.lists-bounded-while-read',
    without: 'the bound on the octets of a list',
    file: listing,
    edits: never('octets > octetsMax'),
  },
  {
    claim: 'gateway.lists-bounded-while-read',
    without: 'the bound on the tools of a list',
    file: listing,
    edits: never('definitions.length + elements.length > definitionsMax'),
  },
  {
    claim: 'gateway.lists-bounded-while-read',
    without: 'the bound on a cursor',
    file: listing,
    edits: never('next.length > cursorCharactersMax'),
  },
  {
    claim: 'gateway.lost-session-opened-again',
    without: 'the second opening',
    file: 'src/gateway/serve/in-session.ts',
    edits: [['if (done !== sessionOver) return done', 'return done']],
  },
  {
    claim: 'gateway.session-ended',
    without: 'the memory of what has ended',
    file: 'src/gateway/handle/session.ts',
    edits: [['isEnded(session.key) ?', 'isEnded(session.key) && session.key === "" ?']],
  },
  {
    claim: 'gateway.session-ended',
    without: 'the word to the upstreams',
    file: 'src/gateway/serve/end.ts',
    edits: never('upstream?.config.spiffeId.uri === each.spiffeId'),
  },
  {
    claim: 'gateway.session-ended',
    without: 'the end of what is held for a pod that is no more',
    file: 'src/gateway/caller/connections.ts',
    edits: never('refusal?.identity === true'),
  },
  {
    claim: 'gateway.tool-server-of-its-namespace',
    without: 'the rule that it speaks for its own namespace',
    file: toolServer,
    edits: never('!isOwn && at !== namespace'),
  },
  {
    claim: 'gateway.tool-server-of-its-namespace',
    without: 'its namespace before its name',
    file: toolServer,
    edits: [['isOwn ? name : `${namespace}', 'isOwn ? name : name + `${namespace.slice(99)}']],
  },
  {
    claim: 'gateway.tool-server-of-its-namespace',
    without: 'the look at whose name and identity it takes',
    file: toolServer,
    edits: never('conflict !== undefined'),
  },
  {
    claim: 'gateway.status-written-once',
    without: 'the look whether it is said already',
    file: toolServerStatus,
    edits: never('Object.entries(said).every(([member, value]) => old?.[member] === value)'),
  },
  {
    claim: 'gateway.status-written-once',
    without: 'the pauses of those who do not agree',
    file: toolServerStatus,
    edits: never('againSeconds > 0'),
  },
  {
    claim: 'gateway.status-written-once',
    without: 'the spread of replicas',
    file: toolServerStatus,
    edits: [['random() * spreadSeconds', '0 * spreadSeconds']],
  },
  {
    claim: 'gateway.status-written-once',
    without: 'the difference between a change of its status and one of itself',
    file: 'src/gateway/upstream/tool-server-watch.ts',
    edits: [['!isDeepStrictEqual(old?.toolServer, object.toolServer)', 'object !== undefined']],
  },
  {
    claim: 'gateway.endings-bounded',
    without: 'the line of sessions that end',
    file: 'src/gateway/upstream/legacy-session.ts',
    edits: never('party.account === undefined'),
  },
]
